"""Public detectors that can be served, and where they come from.

Figures are the authors' own, or from others who ran them, as stated by the named source; none was
measured here. `tried` says what was tested.
"""

from dataclasses import dataclass

_ANTIDEEPFAKE = "nii-yamagishilab/AntiDeepfake, README"
_NONCOMMERCIAL = "CC BY-NC-SA 4.0"
_RANDOM = "layout on random weights, against a plain forward pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDetector:
    """One detector.

    Attributes:
        name: its name for `--model` once it has been pulled.
        title: a description in one line.
        page: where its authors publish it.
        licence: licence of the weights.
        parameters: number of parameters.
        layout: layout of its file; see `detector/files/layouts`.
        eer: published equal error rates in percent, by test set.
        eer_source: who published them.
        tried: what dfd's tests cover.
        url: URL of the file, if it can be fetched without a form or a browser.
        sha256: SHA-256 of that file.
        hub_id: id on the Hugging Face hub, instead of a URL.
    """

    name: str
    title: str
    page: str
    licence: str
    parameters: int
    layout: str
    eer: dict[str, float]
    eer_source: str
    tried: str
    url: str | None = None
    sha256: str | None = None
    hub_id: str | None = None

    @property
    def by_hand(self) -> bool:
        """Whether only a person can download it."""
        return self.url is None and self.hub_id is None


def _antideepfake(
    name: str, hub_id: str, parameters: int, in_the_wild: float, deepfake_eval: float
) -> PublicDetector:
    return PublicDetector(
        name=f"antideepfake-{name}",
        title=f"AntiDeepfake: {name} post-trained, mean frame and one linear layer",
        page=f"https://huggingface.co/nii-yamagishilab/{hub_id}",
        licence=_NONCOMMERCIAL,
        parameters=parameters,
        layout="antideepfake",
        eer={"In-the-Wild": in_the_wild, "Deepfake-Eval-2024": deepfake_eval},
        eer_source=_ANTIDEEPFAKE,
        tried=_RANDOM,
        hub_id=f"nii-yamagishilab/{hub_id}",
    )


DETECTORS = (
    PublicDetector(
        name="aasist",
        title="AASIST: graph attention on fixed filters",
        page="https://github.com/clovaai/aasist",
        licence="MIT",
        parameters=297_866,
        layout="aasist",
        eer={"ASVspoof 2019 LA": 0.83, "In-the-Wild": 43.0},
        eer_source="Jung et al., ICASSP 2022; In-the-Wild: reruns by others",
        tried="the published weights: its authors' scores to 1e-4 from the same samples",
        url="https://raw.githubusercontent.com/clovaai/aasist/main/models/weights/AASIST.pth",
        sha256="51d2d9cf0738172f61e2a384ec50a54a55363240f67c971ed55a92435bc1a1c0",
    ),
    PublicDetector(
        name="aasist-l",
        title="AASIST-L: the same, a quarter of the size",
        page="https://github.com/clovaai/aasist",
        licence="MIT",
        parameters=85_306,
        layout="aasist",
        eer={"ASVspoof 2019 LA": 0.99},
        eer_source="Jung et al., ICASSP 2022",
        tried="the published weights: its authors' scores to 1e-4 from the same samples",
        url="https://raw.githubusercontent.com/clovaai/aasist/main/models/weights/AASIST-L.pth",
        sha256="814331d088032bb4c3fa61cc014789eadeed464209dd094ab3a2dd6ffbdce27a",
    ),
    PublicDetector(
        name="rawnet2",
        title="RawNet2: fixed filters, residual blocks and a GRU",
        page="https://www.asvspoof.org/index2021.html",
        licence="MIT",
        parameters=17_620_562,
        layout="rawnet2",
        eer={"ASVspoof 2021 LA": 9.50},
        eer_source="ASVspoof 2021's baselines",
        tried=_RANDOM,
    ),
    PublicDetector(
        name="rawgat-st",
        title="RawGAT-ST: graphs of bands and frames, multiplied",
        page="https://github.com/eurecom-asp/RawGAT-ST-antispoofing",
        licence="MIT",
        parameters=437_034,
        layout="rawgat-st",
        eer={"ASVspoof 2019 LA": 1.06},
        eer_source="Tak et al., ASVspoof workshop 2021",
        tried=_RANDOM,
        url="https://raw.githubusercontent.com/eurecom-asp/RawGAT-ST-antispoofing/main/"
        "Pre_trained_models/RawGAT_ST_mul/Best_epoch.pth",
    ),
    PublicDetector(
        name="ssl-aasist",
        title="SSL anti-spoofing: AASIST's graphs on XLS-R 300M",
        page="https://github.com/TakHemlata/SSL_Anti-spoofing",
        licence="MIT",
        parameters=315_884_298,
        layout="ssl-aasist",
        eer={"ASVspoof 2021 LA": 0.82, "ASVspoof 2021 DF": 2.85, "In-the-Wild": 10.5},
        eer_source="Tak et al., Odyssey 2022; In-the-Wild: reruns by others",
        tried=_RANDOM,
    ),
    PublicDetector(
        name="sls",
        title="SLS: all layers of XLS-R 300M, weighted by their content",
        page="https://github.com/QiShanZhang/SLSforASVspoof-2021-DF",
        licence="see its page",
        parameters=338_836_997,
        layout="sls",
        eer={"ASVspoof 2021 DF": 1.92, "In-the-Wild": 7.46},
        eer_source="Zhang et al., ACM Multimedia 2024",
        tried=_RANDOM,
    ),
    PublicDetector(
        name="nes2net-x",
        title="Nes2Net-X: nested Res2Nets on XLS-R 300M",
        page="https://github.com/Liu-Tianchi/Nes2Net_ASVspoof_ITW",
        licence="see its page",
        parameters=315_949_607,
        layout="nes2net-x",
        eer={"ASVspoof 2021 LA": 1.73, "ASVspoof 2021 DF": 1.89, "In-the-Wild": 5.15},
        eer_source="Liu et al., 2025",
        tried=_RANDOM,
    ),
    _antideepfake("w2v-small", "wav2vec-small-anti-deepfake", 95_000_000, 4.24, 33.33),
    _antideepfake("w2v-large", "wav2vec-large-anti-deepfake", 317_000_000, 1.91, 33.38),
    _antideepfake("mms-300m", "mms-300m-anti-deepfake", 317_000_000, 2.90, 32.80),
    _antideepfake("mms-1b", "mms-1b-anti-deepfake", 965_000_000, 1.82, 27.70),
    _antideepfake("xls-r-1b", "xls-r-1b-anti-deepfake", 965_000_000, 1.35, 26.76),
    _antideepfake("xls-r-2b", "xls-r-2b-anti-deepfake", 2_200_000_000, 1.23, 27.77),
    _antideepfake("hubert-xl", "hubert-xlarge-anti-deepfake", 964_000_000, 5.23, 34.08),
)


def named(name: str) -> PublicDetector | None:
    """Returns the detector with this name; None if there is none."""
    return next((one for one in DETECTORS if one.name == name), None)
