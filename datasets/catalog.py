"""Which data sets exist: files, sizes, checksums, sources, licences.

Numbers of bytes and checksums are those of the official files; ``plain_*`` belong to the same files unpacked.
A table only: nothing here opens a file or a connection.
"""

import difflib
from dataclasses import dataclass

__all__ = [
    "CATALOG",
    "DataError",
    "DataFile",
    "DataSet",
    "MissingData",
    "SPOKEN",
    "Archive",
    "SpokenSet",
    "get",
    "get_any",
]


class DataError(ValueError):
    """Data that are missing, damaged or not what they claim to be (exit code 3 at the command line)."""

    exit_code = 3


class MissingData(DataError, FileNotFoundError):
    """A file of a data set is not on this machine; the message says what to do."""

    def __str__(self):
        return str(self.args[0])


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, as published (gzip-compressed) and unpacked."""

    name: str
    n_bytes: int
    md5: str
    sha256: str
    plain_bytes: int
    plain_sha256: str

    @property
    def plain_name(self) -> str:
        """Name of the unpacked file."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class DataSet:
    """A data set of labelled images."""

    name: str
    title: str
    n_train: int
    n_test: int
    image: tuple[int, int]
    classes: tuple[str, ...]
    licence: str
    citation: str
    note: str = ""
    mirrors: tuple[str, ...] = ()  # folders, tried in order; the file's name is appended
    files: dict[str, DataFile] | None = None  # train_images, train_labels, test_images, test_labels; None = bundled

    @property
    def n_bytes(self) -> int:
        """Size of the download."""
        return sum(f.n_bytes for f in (self.files or {}).values())


@dataclass(frozen=True)
class Archive:
    """One archive of a data set of spoken words, as published."""

    name: str
    urls: tuple[str, ...]  # tried in order
    n_bytes: int  # about, for the question before a download
    md5: str = ""  # "" = none published
    sha256: str = ""
    plain_name: str = ""  # the file inside that is kept; "" = the archive is kept
    plain_md5: str = ""


@dataclass(frozen=True)
class SpokenSet:
    """A data set of spoken words: recordings or spikes."""

    name: str
    title: str
    n_train: int
    n_valid: int
    n_test: int
    n_classes: int
    licence: str
    citation: str
    note: str
    files: dict[str, Archive]

    @property
    def n_bytes(self) -> int:
        """Size of the download, about."""
        return sum(f.n_bytes for f in self.files.values())


_DIGITS = tuple("0123456789")

CATALOG = {
    "mnist": DataSet(
        name="mnist",
        title="MNIST handwritten digits",
        n_train=60_000,
        n_test=10_000,
        image=(28, 28),
        classes=_DIGITS,
        licence="CC BY-SA 3.0 (as usually stated; the original page names none)",
        citation="LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86:2278 (1998), doi 10.1109/5.726791",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        files={
            "train_images": DataFile(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            "train_labels": DataFile(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "d53e105ee54ea40749a09fcbcd1e9432",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            "test_images": DataFile(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "9fb629c4189551a2d022fa330f9573f3",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            "test_labels": DataFile(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "ec29112dd5afa0611ce80d1b7f02629c",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        },
    ),
    "fashion_mnist": DataSet(
        name="fashion_mnist",
        title="Fashion-MNIST articles of clothing",
        n_train=60_000,
        n_test=10_000,
        image=(28, 28),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        licence="MIT",
        citation="Xiao, Rasul & Vollgraf, arXiv:1708.07747 (2017)",
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        files={
            "train_images": DataFile(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            "train_labels": DataFile(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "25c81989df183df01b3e8a0aad5dffbe",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            "test_images": DataFile(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "bef4ecab320f06d8554ea6380940ec79",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            "test_labels": DataFile(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "bb300cfdad3c16e7a12a480ee83cd310",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        },
    ),
    "digits": DataSet(
        name="digits",
        title="8x8 handwritten digits bundled with scikit-learn",
        n_train=1_297,
        n_test=500,
        image=(8, 8),
        classes=_DIGITS,
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        citation="Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi 10.24432/C50P49",
        note="needs no download; grey levels 0..16 are stretched to 0..255; the split is our own, from a stored seed",
    ),
}


_HEIDELBERG = ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/")


def _spikes(name, n_bytes, md5, plain_md5=""):
    urls = tuple(f"{place}{name}.h5.zip" for place in _HEIDELBERG)
    return Archive(f"{name}.h5.zip", urls, n_bytes, md5, plain_name=f"{name}.h5", plain_md5=plain_md5)


_CRAMER = "Cramer, Stradmann, Schemmel & Zenke, IEEE TNNLS 33:2744 (2022), doi 10.1109/TNNLS.2020.3044364"

SPOKEN = {
    "fsdd": SpokenSet(
        name="fsdd",
        title="Free Spoken Digit Dataset",
        n_train=2_700,
        n_valid=0,
        n_test=300,
        n_classes=10,
        licence="CC BY-SA 4.0",
        citation="Jackson et al., Free Spoken Digit Dataset (2018), doi 10.5281/zenodo.1342401",
        note="6 speakers, 8 kHz; the archive has no lasting checksum, its 3000 recordings are counted instead",
        files={
            "recordings": Archive(
                "free-spoken-digit-dataset-1.0.10.zip",
                ("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",),
                16_000_000,
            ),
        },
    ),
    "speech_commands": SpokenSet(
        name="speech_commands",
        title="Speech Commands v0.02",
        n_train=84_843,
        n_valid=9_981,
        n_test=11_005,
        n_classes=35,
        licence="CC BY 4.0",
        citation="Warden, arXiv:1804.03209 (2018)",
        note="one second of one word, 16 kHz; also read as frames under the name gsc; unpacked it loads faster",
        files={
            "recordings": Archive(
                "speech_commands_v0.02.tar.gz",
                ("https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",),
                2_428_923_189,
                "6b74f3901214cb2c2934e98196829835",
                "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            ),
        },
    ),
    "shd": SpokenSet(
        name="shd",
        title="Spiking Heidelberg Digits",
        n_train=8_156,
        n_valid=0,
        n_test=2_264,
        n_classes=20,
        licence="CC BY 4.0",
        citation=_CRAMER,
        note="spikes of 700 units, English and German digits, 12 speakers, two of them only in the test part",
        files={
            "train": _spikes(
                "shd_train", 130_000_000, "f3252aeb598ac776c1b526422d90eecb", "8e9877c85f29a28dd353ea6a54402667"
            ),
            "test": _spikes(
                "shd_test", 38_000_000, "1503a5064faa34311c398fb0a1ed0a6f", "207ad1295a0ab611e22d1734989c254e"
            ),
        },
    ),
    "ssc": SpokenSet(
        name="ssc",
        title="Spiking Speech Commands",
        n_train=75_466,
        n_valid=9_981,
        n_test=20_382,
        n_classes=35,
        licence="CC BY 4.0",
        citation=_CRAMER,
        note="spikes of 700 units, made from Speech Commands",
        files={
            "train": _spikes("ssc_train", 1_600_000_000, "d102be95e7144fcc0553d1f45ba94170"),
            "valid": _spikes("ssc_valid", 210_000_000, "b4eee3516a4a90dd0c71a6ac23a8ae43"),
            "test": _spikes("ssc_test", 430_000_000, "a35ff1e9cffdd02a20eb850c17c37748"),
        },
    ),
}


def get(name: str) -> DataSet:
    """Entry of the catalogue of images.

    Raises
    ------
    ValueError
        Unknown name; the message lists the known ones.
    """
    return _entry(name, CATALOG)


def get_any(name: str) -> DataSet | SpokenSet:
    """Entry for images or for spoken words; errors as :func:`get`."""
    return _entry(name, CATALOG | SPOKEN)


def _entry(name, table):
    if name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, 1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown data set {name!r}{hint} (known: {', '.join(table)})")
