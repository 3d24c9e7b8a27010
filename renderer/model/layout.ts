/**
 * Places for the nodes of a directed graph without cycles, in layers from top to bottom: a node lies below everything it
 * reads, beside what shares its layer, and below its first parent where there is room.
 */
export interface GraphEdge {
  readonly from: string
  readonly to: string
}

export interface PlacedNode {
  readonly id: string
  /** Centre, px. */
  readonly x: number
  readonly y: number
}

export interface Layout {
  readonly nodes: ReadonlyMap<string, PlacedNode>
  /** SVG paths, from the bottom of a node to the top of another. */
  readonly edges: readonly { readonly from: string; readonly to: string; readonly path: string }[]
  readonly width: number
  readonly height: number
}

export interface NodeSize {
  readonly width: number
  readonly height: number
  /** Between two nodes beside each other, and between two layers. */
  readonly gapX: number
  readonly gapY: number
}

export function layoutGraph(ids: readonly string[], edges: readonly GraphEdge[], size: NodeSize): Layout {
  const parents = new Map(ids.map((id) => [id, [] as string[]]))
  const children = new Map(ids.map((id) => [id, [] as string[]]))
  for (const { from, to } of edges) {
    parents.get(to)?.push(from)
    children.get(from)?.push(to)
  }
  const rank = ranksOf(ids, parents, children)
  const column = columnsOf(ids, parents, children, rank)
  const stepX = size.width + size.gapX
  const stepY = size.height + size.gapY
  const columns = Math.max(...column.values()) + 1
  const ranks = Math.max(...rank.values()) + 1
  const nodes = new Map(
    ids.map((id) => {
      const x = size.gapX + (column.get(id) ?? 0) * stepX + size.width / 2
      return [id, { id, x, y: size.gapY + (rank.get(id) ?? 0) * stepY + size.height / 2 }]
    }),
  )
  const drawn = edges.flatMap(({ from, to }) => {
    const [a, b] = [nodes.get(from), nodes.get(to)]
    if (a === undefined || b === undefined) return []
    return [{ from, to, path: edgePath(a, b, (rank.get(to) ?? 0) - (rank.get(from) ?? 0), size) }]
  })
  // Edges that pass layers swing out on the right.
  return { nodes, edges: drawn, width: columns * stepX + size.gapX, height: ranks * stepY + size.gapY }
}

/** The length of the longest way from a source; sources lie just above what reads them. */
function ranksOf(
  ids: readonly string[],
  parents: ReadonlyMap<string, readonly string[]>,
  children: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const rank = new Map<string, number>()
  const waiting = new Map(ids.map((id) => [id, parents.get(id)?.length ?? 0]))
  const ready = ids.filter((id) => waiting.get(id) === 0)
  for (const id of ready) rank.set(id, 0)
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const child of children.get(id) ?? []) {
      rank.set(child, Math.max(rank.get(child) ?? 0, (rank.get(id) ?? 0) + 1))
      const left = (waiting.get(child) ?? 1) - 1
      waiting.set(child, left)
      if (left === 0) ready.push(child)
    }
  }
  // A cycle is no network; what is on one still gets a place.
  for (const id of ids) if (!rank.has(id)) rank.set(id, 0)
  for (const id of ids) {
    const below = (children.get(id) ?? []).map((child) => rank.get(child) ?? 0)
    if ((parents.get(id)?.length ?? 0) === 0 && below.length > 0) rank.set(id, Math.min(...below) - 1)
  }
  return rank
}

/** In the column of the parent whose longest way it continues, else the next that is free in its layer. */
function columnsOf(
  ids: readonly string[],
  parents: ReadonlyMap<string, readonly string[]>,
  children: ReadonlyMap<string, readonly string[]>,
  rank: ReadonlyMap<string, number>,
): Map<string, number> {
  /** Layers from a node to the end: the main way keeps its column. */
  const depth = new Map<string, number>()
  const down = [...ids].sort((a, b) => (rank.get(b) ?? 0) - (rank.get(a) ?? 0))
  for (const id of down)
    depth.set(id, Math.max(0, ...(children.get(id) ?? []).map((child) => (depth.get(child) ?? 0) + 1)))
  const taken = new Set<string>()
  const column = new Map<string, number>()
  const order = [...ids].sort(
    (a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || (depth.get(b) ?? 0) - (depth.get(a) ?? 0),
  )
  for (const id of order) {
    const row = rank.get(id) ?? 0
    const above = (parents.get(id) ?? []).map((parent) => column.get(parent) ?? 0)
    let at = above.length === 0 ? 0 : Math.min(...above)
    while (taken.has(`${row} ${at}`)) at++
    taken.add(`${row} ${at}`)
    column.set(id, at)
  }
  return column
}

function edgePath(a: PlacedNode, b: PlacedNode, layers: number, { width, height, gapX, gapY }: NodeSize): string {
  const [y1, y2] = [a.y + height / 2, b.y - height / 2]
  if (layers <= 1) {
    const middle = (y1 + y2) / 2
    return `M${a.x} ${y1}C${a.x} ${middle} ${b.x} ${middle} ${b.x} ${y2}`
  }
  const right = Math.max(a.x, b.x) + width / 2 + gapX * 0.55
  const bend = Math.min(gapY, 20)
  return (
    `M${a.x + width / 4} ${y1}C${a.x + width / 4} ${y1 + bend} ${right} ${y1} ${right} ${y1 + 2 * bend}` +
    `L${right} ${y2 - 2 * bend}C${right} ${y2} ${b.x + width / 4} ${y2 - bend} ${b.x + width / 4} ${y2}`
  )
}
