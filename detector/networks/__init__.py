"""Networks: torchaudio's Wav2Vec2 with a head, and others, in forms that TorchScript compiles.

backbone, first_layer   Wav2Vec2 filled with tensors under transformers' names
encoders                the families of backbones, and those that torchaudio does not have
head, light_cnn         the backbone's frames -> two logits
scoring                 the whole network, samples -> spoof log-odds
aasist, graphs          AASIST, on fixed filters (`sinc`) and convolutions (`residual`)
rawnet2, rawgat_st      two more networks on fixed filters
ssl_aasist, sls, nes2net  heads of published detectors on a backbone
windows, network        classifiers without a backbone, and what all networks have in common
frames, int8            the same networks with a fast memory layout, and in 8-bit integers
spectrogram             a shortcut for convolutions that compute a spectrogram
log_mel, whisper_stem   the first stages of Whisper's encoder, beside a backbone
hops, sharing           windows processed hop by hop, and results shared by overlapping windows
"""
