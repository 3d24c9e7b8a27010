/** What an interchange format is to the rest of the program: something that recognises a path and reads a network. */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, Tensor } from '../../network/graph.ts'
import type { Calibration } from '../../network/lower/calibrate.ts'
import type { Card } from '../model-directory.ts'

/** A network as a file describes it, before a card is made for it. */
export interface ImportedNetwork {
  readonly graph: Graph
  readonly tensors: ReadonlyMap<string, Tensor>
  /** Ranges on training images, where we wrote the file. */
  readonly calibration?: Calibration
  /** What was changed on the way, for people: 'node pad_1: folded into conv_2'. */
  readonly notes: readonly string[]
  /** What the file itself says of the model: all of a card where we wrote it, single fields otherwise. */
  readonly card?: Partial<Card>
  /** The program that wrote the file, with its version, where the file says so. */
  readonly producer?: string
  /**
   * The file's own network on one image of the input's shape ([channels, height, width] or [features], flattened), run
   * by an implementation that is not ours. Absent where there is none for the format.
   */
  readonly reference?: () => Promise<ReferenceRunner>
}

/** A second implementation of a network, by which an import is checked. */
export interface ReferenceRunner {
  /** 'onnxruntime-node 1.30.0' */
  readonly name: string
  /** Logits of an image, in the layout of our graph. */
  readonly run: (image: Float32Array) => Promise<Float32Array>
  readonly close: () => Promise<void>
}

export interface ImportFormat {
  /** As on the command line and on cards: 'onnx'. */
  readonly id: string
  /** For people: 'ONNX'. */
  readonly title: string
  /** True when the path, a file or a folder, is of this format by its name or its first bytes. Reads little. */
  readonly match: (path: string) => Promise<boolean>
  /** Throws AdytonError: 'file-corrupt', 'file-unsupported' or 'model-invalid', each saying what, where and what to do. */
  readonly read: (path: string) => Promise<ImportedNetwork>
}

/** Refuses a node of a file: which one, its operator, why, and what to change. */
export function refuseNode(node: string, operator: string, reason: string, advice: string): never {
  const name = node === '' ? 'a node without a name' : `node '${node.slice(0, 128)}'`
  throw new AdytonError('file-unsupported', `${name} (${operator.slice(0, 64)}): ${reason}`, { advice })
}
