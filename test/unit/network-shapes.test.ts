import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import type { Graph, GraphNode } from '../../core/network/graph.ts'
import { parseGraph } from '../../core/network/schema.ts'
import { inferShapes, LIMITS } from '../../core/network/shapes.ts'

const image: GraphNode = { id: 'in', op: 'input', inputs: [], shape: [3, 9, 7] }
const conv: GraphNode = {
  id: 'c',
  op: 'conv2d',
  inputs: ['in'],
  outChannels: 4,
  kernel: [3, 2],
  stride: 2,
  padding: 1,
  groups: 1,
  bias: false,
}
const graph = (...nodes: GraphNode[]): Graph => ({ name: 'test', nodes: [image, ...nodes] })

/** The error of an invalid graph. */
function refusal(g: Graph): AdytonError {
  try {
    inferShapes(g)
  } catch (error) {
    if (error instanceof AdytonError) return error
    throw error
  }
  throw new Error('the graph was accepted')
}

describe('shape inference', () => {
  it('follows the textbook formulas', () => {
    const shapes = inferShapes(
      graph(
        conv,
        { id: 'p', op: 'maxPool', inputs: ['c'], kernel: [2, 2], stride: 2, padding: 1 },
        { id: 'k', op: 'concat', inputs: ['p', 'p'] },
        { id: 'g', op: 'globalAveragePool', inputs: ['k'] },
        { id: 'f', op: 'flatten', inputs: ['k'] },
        { id: 'd', op: 'dense', inputs: ['f'], outFeatures: 5, bias: true },
      ),
    )
    // (9 + 2 - 3) / 2 + 1 = 5 rows, floor((7 + 2 - 2) / 2) + 1 = 4 columns; then (5 + 2 - 2) / 2 + 1 = 3 by 3.
    expect(shapes.get('c')).toEqual([4, 5, 4])
    expect(shapes.get('p')).toEqual([4, 3, 3])
    expect(shapes.get('k')).toEqual([8, 3, 3])
    expect(shapes.get('g')).toEqual([8, 1, 1])
    expect(shapes.get('f')).toEqual([72])
    expect(shapes.get('d')).toEqual([5])
  })

  it.each<[string, Graph, RegExp]>([
    ['a repeated id', graph(conv, conv), /'c'.*unique/],
    ['a later input', graph({ ...conv, inputs: ['x'] }), /'c'.*earlier nodes, got 'x'/],
    ['two inputs', graph(conv, { ...image, id: 'in2' }), /'in2'.*exactly one input node/],
    ['no input first', { name: 'test', nodes: [{ ...conv, inputs: [] }, image] }, /'c'.*exactly one input node/],
    ['too few operands', graph({ id: 'a', op: 'add', inputs: ['in'] }), /'a'.*expected 2 input\(s\), got 1/],
    [
      'shapes that differ',
      graph(conv, { id: 'a', op: 'add', inputs: ['in', 'c'] }),
      /'a'.*\[3, 9, 7\] and \[4, 5, 4\]/,
    ],
    [
      'maps of other sizes',
      graph(conv, { id: 'k', op: 'concat', inputs: ['in', 'c'] }),
      /'k'.*differ in channels only, got \[3, 9, 7\] and \[4, 5, 4\]/,
    ],
    [
      'dense on a map',
      graph({ id: 'd', op: 'dense', inputs: ['in'], outFeatures: 2, bias: false }),
      /'d'.*\[features\]/,
    ],
    ['a kernel that is too large', graph({ ...conv, kernel: [12, 2] }), /'c'.*12x2 kernel does not fit in 9x7/],
    ['groups that do not divide', graph({ ...conv, groups: 2 }), /'c'.*groups.*2 for 3 in and 4 out/],
    ['a zero stride', graph({ ...conv, stride: 0 }), /'c'.*stride.*got 0/],
    ['a fractional padding', graph({ ...conv, padding: 0.5 }), /'c'.*padding.*got 0.5/],
    [
      'padding beyond half the window',
      graph({ id: 'p', op: 'maxPool', inputs: ['in'], kernel: [2, 2], stride: 1, padding: 2 }),
      /'p'.*half the window/,
    ],
    ['too many elements', graph({ ...conv, outChannels: LIMITS.channels }), /'c'.*at most/],
    ['an unknown stage', { ...graph(conv), stages: ['nowhere'] }, /stage 'nowhere'/],
  ])('refuses %s, naming the node', (_, g, message) => {
    const error = refusal(g)
    expect(error.code).toBe('model-invalid')
    expect(error.message).toMatch(message)
  })
})

describe('graph.json', () => {
  it('round-trips', () => {
    const g: Graph = { ...graph(conv), stages: ['c'] }
    expect(parseGraph(JSON.parse(JSON.stringify(g)))).toEqual(g)
  })

  it.each([
    ['another type', 7],
    ['a missing field', { name: 'x', nodes: [image, { ...conv, stride: undefined }] }],
    ['an unknown field', { ...graph(conv), extra: 1 }],
    ['an unknown op', { name: 'x', nodes: [image, { id: 'c', op: 'softmax', inputs: ['in'] }] }],
    ['an id with a slash at the start', { name: 'x', nodes: [{ ...image, id: '/etc' }, conv] }],
    ['too many nodes', { name: 'x', nodes: Array.from({ length: LIMITS.nodes + 1 }, () => image) }],
    ['a graph that does not fit together', graph({ ...conv, inputs: ['other'] })],
  ])('refuses %s', (_, json) => {
    expect(() => parseGraph(json)).toThrow(expect.objectContaining({ code: 'model-invalid' }))
  })
})
