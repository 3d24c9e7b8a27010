/** What can be done, for the palette and for shortcuts. Screens add their own while they are shown. */
export interface Command {
  readonly id: string
  readonly title: string
  /** As `mod+k`, `shift+/`, `alt+1`; mod is Ctrl, or Cmd on a Mac. */
  readonly keys?: string
  /** Heading in the palette. */
  readonly group: string
  readonly run: () => void
}

class Commands {
  #groups = $state.raw<readonly (readonly Command[])[]>([])

  get all(): readonly Command[] {
    return this.#groups.flat()
  }

  /** Adds commands; call what it returns to take them away. */
  add(commands: readonly Command[]): () => void {
    this.#groups = [...this.#groups, commands]
    return () => {
      this.#groups = this.#groups.filter((group) => group !== commands)
    }
  }
}

export const commands = new Commands()

const MAC = /Mac|iPhone|iPad/.test(navigator.platform)

/** 'Ctrl+K', or '⌘K' on a Mac. */
export function keysText(keys: string): string {
  const names = MAC
    ? { mod: '⌘', shift: '⇧', alt: '⌥', enter: '↩', delete: '⌫' }
    : { mod: 'Ctrl', shift: 'Shift', alt: 'Alt', enter: 'Enter', delete: 'Del' }
  const parts = keys.split('+').map((key) => (names as Record<string, string | undefined>)[key] ?? key.toUpperCase())
  return parts.join(MAC ? '' : '+')
}

function pressed(event: KeyboardEvent): string {
  const parts = []
  if (MAC ? event.metaKey : event.ctrlKey) parts.push('mod')
  if (event.altKey) parts.push('alt')
  if (event.shiftKey) parts.push('shift')
  return [...parts, event.key.toLowerCase()].join('+')
}

/** Runs the command of a key press, if there is one and nobody is typing. */
export function handleShortcut(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return
  const keys = pressed(event)
  const target = event.target as HTMLElement | null
  const typing = target?.closest(
    'input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable=true]',
  )
  if (typing && !keys.includes('mod+') && !keys.includes('alt+')) return
  const command = commands.all.findLast((one) => one.keys === keys)
  if (command === undefined) return
  event.preventDefault()
  command.run()
}
