/** Files that somebody opened with the program, until the zoo takes them. */
class Opened {
  #paths = $state.raw<readonly string[]>([])

  add(paths: readonly string[]): void {
    this.#paths = [...this.#paths, ...paths]
  }

  /** All that wait; they are the caller's from now on. In an effect it runs again when there are more. */
  take(): readonly string[] {
    const paths = this.#paths
    if (paths.length > 0) this.#paths = []
    return paths
  }
}

export const opened = new Opened()
