/** Where the person is: the part of the address behind '#', as `#/screen/part/part?name=value`. */
export interface Place {
  readonly screen: string
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

function read(): Place {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [screen = '', ...parts] = path.split('/').map(decodeURIComponent)
  return { screen, parts, query: new URLSearchParams(query) }
}

class Router {
  place = $state.raw<Place>(read())

  constructor() {
    addEventListener('hashchange', () => (this.place = read()))
  }

  go(address: string): void {
    location.hash = address
  }

  /** Changes the address without a step in the history, for filters and selections. */
  replace(address: string): void {
    history.replaceState(null, '', `#${address}`)
    this.place = read()
  }
}

/** An address from its parts: `to('model', id)`. */
export function to(screen: string, ...parts: readonly string[]): string {
  return `#/${[screen, ...parts].map(encodeURIComponent).join('/')}`
}

export const router = new Router()
