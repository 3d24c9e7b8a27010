/**
 * What differs between a browser window and a desktop one: how files reach the host, and how results leave it.
 * Paths are always the host's.
 */
export interface ChooseFiles {
  readonly title: string
  /** Without the dot; all files when empty. */
  readonly extensions: readonly string[]
  readonly multiple?: boolean
}

export interface Platform {
  readonly kind: 'browser' | 'desktop'
  /** Files that a person picks, as paths that the host can read; empty when they change their mind. */
  chooseFiles(options: ChooseFiles): Promise<readonly string[]>
  /** Null when this platform has no dialog of its own for folders: the window shows FolderDialog then. */
  chooseFolder: ((title: string) => Promise<string | null>) | null
  /** What was dropped: files, and folders whole. */
  takeDropped(transfer: DataTransfer): Promise<readonly string[]>
  /** Hands the host a file made in this window, such as a drawing. */
  putFile(name: string, content: Blob): Promise<string>
  /** Lets the host write a file and gives it to the person; false when they change their mind. */
  save(name: string, write: (path: string) => Promise<void>): Promise<boolean>
  /** Gives the person a file made in this window; false when they change their mind. */
  saveBlob(name: string, content: Blob): Promise<boolean>
  openExternal(url: string): void
  notify(title: string, body: string): void
}
