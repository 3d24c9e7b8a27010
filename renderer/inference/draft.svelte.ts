/** The inference that is being put together: network, pictures, options. It stays while other screens are looked at. */
import type { ConnectInput } from '../../core/api/operations/connect.ts'
import type { InferInput } from '../../core/api/operations/infer.ts'
import { host, jobs, platform, settings } from '../app/app.svelte.ts'
import { Drawing } from './drawing.svelte.ts'
import { networks } from './networks.svelte.ts'
import { keepPictures, MOST_KEPT, smallCopy } from './pictures.ts'
import { text } from './text.ts'

export const SOURCES = ['draw', 'file', 'dataset'] as const
export type PictureSource = (typeof SOURCES)[number]

export interface GivenFile {
  readonly name: string
  readonly content: Blob
  /** Null for what this window cannot show. */
  readonly small: string | null
}

export const MOST_FILES = 100
const LONGEST_TITLE = 200
/** The one that a first run uses: few ReLUs, so that it is quick. */
export const FIRST_MODEL = 'digits-1k'
const FIRST_STEP = 'relu1'

export class Draft {
  model = $state(FIRST_MODEL)
  source = $state<PictureSource>('draw')
  readonly drawing = new Drawing()
  files = $state.raw<readonly GivenFile[]>([])
  folder = $state('')
  split = $state<'test' | 'train'>('test')
  from = $state<number | null>(0)
  count = $state<number | null>(10)
  labelOnly = $state(false)
  verify = $state(false)
  views = $state(true)
  threads = $state<number | null>(null)

  /** What is missing, in words; null when it can run. */
  get missing(): string | null {
    if (this.source === 'draw') return this.drawing.empty ? text.drawFirst : null
    if (this.source === 'file') return this.files.length === 0 ? text.chooseFirst : null
    if (this.folder.trim() === '') return text.folderFirst
    return isWhole(this.from, 0) && isWhole(this.count, 1) ? null : text.badCount
  }

  /** Returns whether all of them were taken. */
  async addFiles(given: readonly File[]): Promise<boolean> {
    const taken = given.slice(0, MOST_FILES - this.files.length)
    const added = await Promise.all(
      taken.map(async (file) => ({ name: file.name, content: file, small: await smallCopy(file) })),
    )
    this.files = [...this.files, ...added]
    return taken.length === given.length
  }

  /** Starts it and returns the job's id. */
  async start(): Promise<string> {
    const picture = await this.pictures()
    if (this.source === 'dataset') rememberFolder(this.folder.trim())
    const input: InferInput = {
      source: { model: this.model },
      ...picture.input,
      reveal: this.labelOnly ? 'label' : 'logits',
      verify: this.verify,
      record: true,
      ...(this.views ? { views: { image: 0, ...this.#step() } } : {}),
      ...this.#machine(),
    }
    const name = networks.find(this.model)?.name ?? this.model
    const job = await jobs.submit('infer', input, `${picture.title}, ${name}`)
    keepPictures(job.id, picture.small)
    return job.id
  }

  /** Starts it against the server of another machine and returns the job's id. */
  async startAt(server: Partial<ConnectInput>, title: (picture: string) => string): Promise<string> {
    const picture = await this.pictures()
    if (this.source === 'dataset') rememberFolder(this.folder.trim())
    const threads = this.threads ?? settings.current.threads.client
    const input: Partial<ConnectInput> = {
      ...server,
      ...picture.input,
      ...(threads === null ? {} : { threads }),
    }
    const job = await jobs.submit('connect', input, title(picture.title).slice(0, LONGEST_TITLE))
    keepPictures(job.id, picture.small)
    return job.id
  }

  /** What was chosen here, else in the settings, else what core thinks best. */
  #machine(): Pick<InferInput, 'threads' | 'kernels'> {
    const { threads, kernels } = settings.current
    const client = this.threads ?? threads.client
    const server = this.threads ?? threads.server
    return {
      ...(client === null && server === null
        ? {}
        : { threads: { client: client ?? 1, server: server ?? navigator.hardwareConcurrency } }),
      ...(kernels === null ? {} : { kernels }),
    }
  }

  #step(): { step?: string } {
    return this.model === FIRST_MODEL ? { step: FIRST_STEP } : {}
  }

  /** Uploads what was chosen: input of infer and of connect, a title, and small copies. */
  async pictures(): Promise<{
    title: string
    small: readonly string[]
    input: Pick<InferInput, 'pictures' | 'dataset'>
  }> {
    if (this.source === 'draw') {
      const content = await this.drawing.picture()
      const [picture, small] = await Promise.all([platform.putFile('drawing.png', content), smallCopy(content)])
      return { title: text.drawnTitle, small: small === null ? [] : [small], input: { pictures: [picture] } }
    }
    if (this.source === 'file') {
      const pictures: string[] = []
      for (const { name, content } of this.files) pictures.push(await platform.putFile(name, content))
      const title = this.files.length === 1 ? this.files[0].name.slice(0, 60) : text.picturesTitle(this.files.length)
      const small = this.files.map((file) => file.small ?? '')
      return { title, small, input: { pictures } }
    }
    const folder = this.folder.trim()
    const { split, from, count } = this
    if (from === null || count === null) throw new Error('an incomplete draft was started')
    const title = text.datasetTitle(count, folder.split(/[\\/]/).findLast((part) => part !== '') ?? folder)
    const asked = { folder, split, from, count: Math.min(count, MOST_KEPT) }
    // What cannot be shown may still be run; what cannot be run says so itself.
    const images = await host.call('datasetImages', asked).then(
      (found) => found.images,
      () => [],
    )
    const small = images.map(({ picture }) => picture)
    return { title, small, input: { dataset: { folder, split, from, count } } }
  }
}

/** The folder used last is the last of them. */
function rememberFolder(folder: string): void {
  const others = settings.current.datasets.filter((one) => one !== folder)
  settings.change({ datasets: [...others, folder].slice(-20) })
}

function isWhole(n: number | null, least: number): boolean {
  return n !== null && Number.isInteger(n) && n >= least
}

/** The one of the Inference screen. */
export const draft = new Draft()
