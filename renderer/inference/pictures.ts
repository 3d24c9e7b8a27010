/**
 * Small copies of the pictures that were given to a run, for showing beside its answer. The host keeps none; they stay with
 * this window's session, so that they are there after a reload and gone when the window is closed.
 */
const KEY = 'adyton.pictures'
/** Side of a copy, px. */
const SIDE = 96
const RUNS = 20
/** Of one run. */
export const MOST_KEPT = 24

type Kept = Readonly<Record<string, readonly string[]>>

function read(): Kept {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Kept
  } catch {
    return {}
  }
}

/** Pictures of a run as data: URLs, in the order of its images; fewer than those when there were many. */
export function keptPictures(job: string): readonly string[] {
  return read()[job] ?? []
}

export function keepPictures(job: string, pictures: readonly string[]): void {
  const others = Object.entries(read()).filter(([id]) => id !== job)
  const kept = Object.fromEntries([...others.slice(1 - RUNS), [job, pictures.slice(0, MOST_KEPT)]])
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept))
  } catch {
    // A session that is full shows no pictures; that is all.
    sessionStorage.removeItem(KEY)
  }
}

/** A copy of a picture that fits; null for what this window cannot read. */
export async function smallCopy(picture: Blob): Promise<string | null> {
  const image = await createImageBitmap(picture).catch(() => null)
  if (image === null) return null
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(image.width * scale))
  canvas.height = Math.max(1, Math.round(image.height * scale))
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
  image.close()
  return canvas.toDataURL('image/png')
}
