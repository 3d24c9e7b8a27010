/** Files of other programs on their way into the catalog: recognised, given a card, compared, or refused. */
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ImportFormat } from '../../core/formats/import/format.ts'
import { readModel, writeModel } from '../../core/formats/model-directory.ts'
import { onnx } from '../../core/formats/onnx/read.ts'
import { inferShapes } from '../../core/network/shapes.ts'
import { writeOnnx } from '../../core/formats/onnx/write.ts'
import { exportOnnx } from '../../core/zoo/export-onnx.ts'
import { importModel } from '../../core/zoo/import.ts'
import { listModels } from '../../core/zoo/list.ts'
import { showModel } from '../../core/zoo/show.ts'
import { stageSource } from '../../core/zoo/sources.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { CARD, temporaryFolder, tinyModel } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dir: string
let zoo: Zoo
beforeEach(async () => {
  folder = await temporaryFolder()
  dir = folder.dir
  zoo = await openZoo(join(dir, 'data'))
})
afterEach(async () => {
  zoo.close()
  await folder[Symbol.asyncDispose]()
})

async function onnxFile(name = 'tiny.onnx'): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, writeOnnx(tinyModel()))
  return path
}

/** As {@link onnx}, for a file that says nothing about its model. */
const silent: ImportFormat = {
  ...onnx,
  read: async (path) => {
    const { card: _, ...network } = await onnx.read(path)
    return network
  },
}

describe('a file of another program', () => {
  test('keeps its card, and says on it how far it is from the original', async () => {
    const { id, format, comparison } = await importModel(zoo, await onnxFile())
    expect(format).toBe('onnx')
    const { card, relus } = showModel(zoo, id)
    expect(card).toMatchObject({ ...CARD, imported: { format: 'ONNX', notes: [], comparison } })
    expect(card.imported?.comparison?.against).toMatch(/^onnxruntime-node \d/)
    expect(comparison?.images).toBe(8)
    expect(comparison?.largestDifference).toBeLessThan(1e-5 * (comparison?.largestLogit ?? 0))
    const { tensors } = tinyModel()
    const kept = [...tensors].filter(([name]) => name.endsWith('.mask')).flatMap(([, { data }]) => [...data])
    expect(relus).toBe(kept.reduce((a, b) => a + b))
    await exportOnnx(zoo, id, join(dir, 'out.onnx'))
    await expect(exportOnnx(zoo, id, join(dir, 'out.onnx'))).rejects.toMatchObject({ code: 'usage' })
    const again = await importModel(zoo, join(dir, 'out.onnx'))
    expect(showModel(zoo, again.id).card.classNames).toEqual(CARD.classNames)
  })

  test('without a card gets one that claims nothing, or what it is told', async () => {
    const path = await onnxFile()
    const staging = join(dir, 'staging')
    await mkdir(staging)
    await stageSource(path, staging, {}, [silent])
    const { card } = await readModel(staging)
    expect(card).toMatchObject({
      ...{ name: 'tiny', dataset: 'unknown', licence: 'unknown', classNames: ['0', '1', '2'] },
      preprocessing: { mean: [0], std: [1], invert: false },
    })
    const told = {
      ...{ name: 'Told', dataset: 'Letters', licence: 'MIT', classNames: ['x', 'y', 'z'] },
      preprocessing: { mean: [0.4], std: [0.2], invert: true },
    }
    const other = join(dir, 'other')
    await mkdir(other)
    await stageSource(path, other, { card: told }, [silent])
    expect((await readModel(other)).card).toMatchObject(told)
    await expect(stageSource(path, other, { card: { classNames: ['x'] } }, [silent])).rejects.toMatchObject({
      message: expect.stringContaining('1 names for the 3 classes') as string,
    })
    const preprocessing = { mean: [1, 2], std: [1], invert: false }
    await expect(stageSource(path, other, { card: { preprocessing } }, [silent])).rejects.toMatchObject({
      message: expect.stringContaining('2 and 1 channels') as string,
    })
  })

  test('that computes something else than what was read of it is refused', async () => {
    const path = await onnxFile()
    const wrong: ImportFormat = {
      ...onnx,
      read: async (file) => {
        const network = await onnx.read(file)
        const [name, tensor] = [...network.tensors].find(([key]) => key.endsWith('.weight')) ?? []
        if (name === undefined || tensor === undefined) throw new Error('no weights')
        const tensors = new Map(network.tensors).set(name, { ...tensor, data: tensor.data.map((x) => x * 1.1) })
        return { ...network, tensors }
      },
    }
    const staging = join(dir, 'staging')
    await mkdir(staging)
    await expect(stageSource(path, staging, {}, [wrong])).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining('not the one in the file') as string,
    })
    expect(await readdir(staging)).toEqual([])
    expect(await stageSource(path, staging, { compare: false }, [wrong])).toMatchObject({ comparison: null })
  })

  test('real images are compared on too', async () => {
    const path = await onnxFile()
    const seen: number[][] = []
    const { comparison } = await importModel(zoo, path, {
      images: (card, shape) => {
        seen.push([...shape], [...card.preprocessing.mean])
        return Promise.resolve([new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5)])
      },
    })
    expect(seen).toEqual([[...(inferShapes(tinyModel().graph).values().next().value ?? [])], [0.5]])
    expect(comparison?.images).toBe(9)
  })
})

describe('a folder', () => {
  test('stands for the only file in it that can be imported', async () => {
    const path = join(dir, 'download')
    await mkdir(path)
    await writeFile(join(path, 'README.md'), 'hello')
    await writeFile(join(path, 'net.onnx'), writeOnnx(tinyModel()))
    expect(await importModel(zoo, path)).toMatchObject({ format: 'onnx', name: CARD.name })
    await cp(join(path, 'net.onnx'), join(path, 'other.onnx'))
    await expect(importModel(zoo, path)).rejects.toMatchObject({
      message: expect.stringContaining('several models: net.onnx, other.onnx') as string,
    })
    // A model folder is one, whatever else lies in it.
    await writeModel(path, tinyModel())
    expect(await importModel(zoo, path)).toMatchObject({ format: 'folder' })
  })

  test.each<[string, string | Uint8Array, string]>([
    ['notes.txt', 'hello', 'file-unsupported'],
    ['broken.onnx', 'hello', 'file-corrupt'],
    ['cut.onnx', writeOnnx(tinyModel()).subarray(0, 500), 'file-corrupt'],
    ['empty.keras', '', 'file-corrupt'],
    ['model.json', '{}', 'file-unsupported'],
  ])('%s leaves nothing behind', async (name, bytes, code) => {
    const path = join(dir, name)
    await writeFile(path, bytes)
    await expect(importModel(zoo, path)).rejects.toMatchObject({ code })
    expect(listModels(zoo).total).toBe(0)
    expect(await readdir(join(zoo.folder, 'files', 'incoming'))).toEqual([])
  })

  test('what is converted cannot be linked', async () => {
    await expect(importModel(zoo, await onnxFile(), { link: true })).rejects.toMatchObject({ code: 'usage' })
  })
})
