// Streams a WAV file (16-bit PCM) to a daemon and prints alerts and the verdict.
//
// README.md in the folder above says how the stubs are generated.
import com.google.protobuf.ByteString;
import dfd.v1.Detection.Alert;
import dfd.v1.Detection.AudioChunk;
import dfd.v1.Detection.AudioFormat;
import dfd.v1.Detection.ChannelSummary;
import dfd.v1.Detection.StreamingDetectConfig;
import dfd.v1.Detection.StreamingDetectRequest;
import dfd.v1.Detection.StreamingDetectResponse;
import dfd.v1.DetectionServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.util.concurrent.CountDownLatch;
import javax.sound.sampled.AudioInputStream;
import javax.sound.sampled.AudioSystem;

public final class Client {
  /** Prints what the daemon says. */
  private static final class Printer implements StreamObserver<StreamingDetectResponse> {
    final CountDownLatch over = new CountDownLatch(1);
    Throwable fault;

    @Override
    public void onNext(StreamingDetectResponse response) {
      if (response.hasAlert() && !response.getAlert().getCleared()) {
        Alert alert = response.getAlert();
        System.out.printf(
            "alert at %d s: %.2f%n",
            alert.getOffset().getSeconds(), alert.getScore().getSpoofProbability());
      }
      for (ChannelSummary channel : response.getSummary().getChannelsList()) {
        System.out.printf(
            "channel %d: %s, P(spoof) %.3f%n",
            channel.getChannel(),
            channel.getVerdict(),
            channel.getCumulativeScore().getSpoofProbability());
      }
    }

    @Override
    public void onError(Throwable error) {
      fault = error;
      over.countDown();
    }

    @Override
    public void onCompleted() {
      over.countDown();
    }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length < 1) {
      System.err.println("usage: Client CALL.wav [HOST:PORT]");
      System.exit(2);
    }
    String server = arguments.length > 1 ? arguments[1] : "localhost:50051";
    ManagedChannel connection = ManagedChannelBuilder.forTarget(server).usePlaintext().build();
    Printer printer = new Printer();
    StreamObserver<StreamingDetectRequest> requests =
        DetectionServiceGrpc.newStub(connection).streamingDetect(printer);
    try (AudioInputStream audio = AudioSystem.getAudioInputStream(new File(arguments[0]))) {
      javax.sound.sampled.AudioFormat format = audio.getFormat();
      if (format.getSampleSizeInBits() != 16 || format.isBigEndian()) {
        throw new IllegalArgumentException(arguments[0] + " is not 16-bit PCM");
      }
      AudioFormat declared =
          AudioFormat.newBuilder()
              .setEncoding(AudioFormat.Encoding.ENCODING_LINEAR16)
              .setSampleRateHertz((int) format.getSampleRate())
              .setChannelCount(format.getChannels())
              .build();
      requests.onNext(
          StreamingDetectRequest.newBuilder()
              .setConfig(StreamingDetectConfig.newBuilder().setAudioFormat(declared))
              .build());
      byte[] chunk = new byte[(int) (format.getSampleRate() / 10) * format.getFrameSize()];
      for (int count; (count = audio.read(chunk)) > 0; ) {
        ByteString content = ByteString.copyFrom(chunk, 0, count);
        requests.onNext(
            StreamingDetectRequest.newBuilder()
                .setAudio(AudioChunk.newBuilder().setContent(content))
                .build());
      }
    }
    requests.onCompleted();
    printer.over.await();
    connection.shutdown();
    if (printer.fault != null) {
      System.err.println(printer.fault.getMessage());
      System.exit(1);
    }
  }
}
