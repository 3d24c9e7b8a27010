/**
 * What the makers of the data sets publish: addresses, sizes and checksums. MD5 sums of CIFAR and Fashion-MNIST are
 * those of the pages named; the others, and the SHA-256 sums, are those that libraries pin for the same files
 * (torchvision, MLDatasets.jl, GoMLX, torchvision for Ruby). They tell a damaged download from a good one; an unknown
 * sum is reported and is no error.
 *
 * CIFAR: https://www.cs.toronto.edu/~kriz/cifar.html; Tiny ImageNet: http://cs231n.stanford.edu/tiny-imagenet-200.zip;
 * MNIST: https://yann.lecun.com/exdb/mnist/ (mirrored by torchvision and TensorFlow);
 * Fashion-MNIST: https://github.com/zalandoresearch/fashion-mnist
 */

export interface OfficialFile {
  readonly name: string
  readonly bytes: number
  readonly sha256?: string
  readonly md5?: string
}

/** A file that is downloaded, from the first address that answers. */
export interface OfficialDownload extends OfficialFile {
  readonly urls: readonly string[]
}

export interface OfficialDataset {
  readonly id: 'cifar-10' | 'cifar-100' | 'tiny-imagenet-200' | 'mnist' | 'fashion-mnist'
  readonly title: string
  readonly classes: number
  /** [channels, height, width] */
  readonly shape: readonly [number, number, number]
  readonly images: { readonly train: number; readonly test: number }
  readonly downloads: readonly OfficialDownload[]
}

/** An archive that is unpacked into `folder`. Only entries that match are written; limits hold for the whole of it. */
export interface OfficialArchive extends OfficialDownload {
  readonly folder: string
  /** Matches the path inside `folder`, with forward slashes. */
  readonly entries: RegExp
  readonly maxEntries: number
  readonly maxBytes: number
}

const KRIZ = 'https://www.cs.toronto.edu/~kriz'

export const CIFAR10_ARCHIVE: OfficialArchive = {
  name: 'cifar-10-binary.tar.gz',
  urls: [`${KRIZ}/cifar-10-binary.tar.gz`],
  bytes: 170_052_171,
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
  folder: 'cifar-10-batches-bin',
  entries: /^(data_batch_[1-5]\.bin|test_batch\.bin|batches\.meta\.txt|readme\.html)$/,
  maxEntries: 64,
  maxBytes: 400_000_000,
}

export const CIFAR100_ARCHIVE: OfficialArchive = {
  name: 'cifar-100-binary.tar.gz',
  urls: [`${KRIZ}/cifar-100-binary.tar.gz`],
  bytes: 168_513_733,
  md5: '03b5dce01913d631647c71ecec9e9cb8',
  sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
  folder: 'cifar-100-binary',
  entries: /^(train\.bin|test\.bin|fine_label_names\.txt|coarse_label_names\.txt)$/,
  maxEntries: 64,
  maxBytes: 400_000_000,
}

export const TINY_IMAGENET_ARCHIVE: OfficialArchive = {
  name: 'tiny-imagenet-200.zip',
  urls: ['http://cs231n.stanford.edu/tiny-imagenet-200.zip'],
  bytes: 248_100_043,
  md5: '90528d7ca1a48142e341f4ef8d21d0de',
  sha256: '6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821',
  folder: 'tiny-imagenet-200',
  // The test pictures have no labels, and the bounding boxes of single classes are of no use here.
  entries:
    /^(wnids\.txt|words\.txt|val\/val_annotations\.txt|val\/images\/val_\d{1,6}\.JPEG|train\/n\d{8}\/images\/n\d{8}_\d{1,6}\.JPEG)$/,
  maxEntries: 200_000,
  maxBytes: 1_000_000_000,
}

export const ARCHIVES: readonly OfficialArchive[] = [CIFAR10_ARCHIVE, CIFAR100_ARCHIVE, TINY_IMAGENET_ARCHIVE]

/** Files of the unpacked CIFAR archives. */
export const CIFAR_FILES: readonly OfficialFile[] = [
  ['data_batch_1.bin', 30_730_000, 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'],
  ['data_batch_2.bin', 30_730_000, 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'],
  ['data_batch_3.bin', 30_730_000, 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'],
  ['data_batch_4.bin', 30_730_000, '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'],
  ['data_batch_5.bin', 30_730_000, '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'],
  ['test_batch.bin', 30_730_000, '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b'],
  ['train.bin', 153_700_000, 'f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29'],
  ['test.bin', 30_740_000, 'd8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a'],
].map(([name, bytes, sha256]) => ({ name, bytes, sha256 }) as OfficialFile)

const mirrored = (bases: readonly string[], files: readonly OfficialFile[]): OfficialDownload[] =>
  files.map((file) => ({ ...file, urls: bases.map((base) => `${base}/${file.name}`) }))

export const MNIST: OfficialDataset = {
  id: 'mnist',
  title: 'MNIST',
  ...{ classes: 10, shape: [1, 28, 28], images: { train: 60_000, test: 10_000 } },
  downloads: mirrored(
    ['https://ossci-datasets.s3.amazonaws.com/mnist', 'https://storage.googleapis.com/cvdf-datasets/mnist'],
    [
      {
        name: 'train-images-idx3-ubyte.gz',
        bytes: 9_912_422,
        md5: 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
        sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        bytes: 28_881,
        md5: 'd53e105ee54ea40749a09fcbcd1e9432',
        sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        bytes: 1_648_877,
        md5: '9fb629c4189551a2d022fa330f9573f3',
        sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        bytes: 4_542,
        md5: 'ec29112dd5afa0611ce80d1b7f02629c',
        sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      },
    ],
  ),
}

export const FASHION_MNIST: OfficialDataset = {
  id: 'fashion-mnist',
  title: 'Fashion-MNIST',
  ...{ classes: 10, shape: [1, 28, 28], images: { train: 60_000, test: 10_000 } },
  downloads: mirrored(
    ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com'],
    [
      { name: 'train-images-idx3-ubyte.gz', bytes: 26_421_880, md5: '8d4fb7e6c68d591d4c3dfef9ec88bf0d' },
      { name: 'train-labels-idx1-ubyte.gz', bytes: 29_515, md5: '25c81989df183df01b3e8a0aad5dffbe' },
      { name: 't10k-images-idx3-ubyte.gz', bytes: 4_422_102, md5: 'bef4ecab320f06d8554ea6380940ec79' },
      { name: 't10k-labels-idx1-ubyte.gz', bytes: 5_148, md5: 'bb300cfdad3c16e7a12a480ee83cd310' },
    ],
  ),
}

export const OFFICIAL: readonly OfficialDataset[] = [
  {
    ...{ id: 'cifar-10', title: 'CIFAR-10', downloads: [CIFAR10_ARCHIVE] },
    ...{ classes: 10, shape: [3, 32, 32], images: { train: 50_000, test: 10_000 } },
  },
  {
    ...{ id: 'cifar-100', title: 'CIFAR-100', downloads: [CIFAR100_ARCHIVE] },
    ...{ classes: 100, shape: [3, 32, 32], images: { train: 50_000, test: 10_000 } },
  },
  {
    ...{ id: 'tiny-imagenet-200', title: 'Tiny ImageNet', downloads: [TINY_IMAGENET_ARCHIVE] },
    // Its test pictures have no labels: the validation pictures are the test part.
    ...{ classes: 200, shape: [3, 64, 64], images: { train: 100_000, test: 10_000 } },
  },
  MNIST,
  FASHION_MNIST,
]
