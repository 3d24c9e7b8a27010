/** The link of an Electron utility process to whoever wanted it, and the processes that it wants itself. */
import type { Child, ChildEvents, Forker } from './child.ts'
import type { Parent } from './parent.ts'
import type { FromMain, Port, ToMain } from './ports.ts'

interface Wanted extends ChildEvents {
  pid: number | undefined
  port: Port | undefined
  /** Said before there was a port. */
  readonly waiting: unknown[]
}

export function utilityParent(main: Port): Parent & { readonly fork: Forker } {
  const wanted = new Map<number, Wanted>()
  let next = 1
  /** How this process answers; known once it has been told who started it. */
  let answer: ((message: unknown) => void) | undefined
  const waiting: unknown[] = []
  const heard: unknown[] = []
  let hear = (message: unknown): void => void heard.push(message)
  const post = (message: ToMain): void => main.postMessage(message)

  const begin = (port: Port | undefined): void => {
    if (port !== undefined) {
      port.on('message', ({ data }) => hear(data))
      port.start?.()
    }
    answer = (message) => (port === undefined ? post({ kind: 'message', message }) : port.postMessage(message))
    for (const message of waiting.splice(0)) answer(message)
  }

  const started = (id: number, pid: number, port: Port | undefined): void => {
    const child = wanted.get(id)
    if (child === undefined || port === undefined) return
    child.pid = pid
    child.port = port
    port.on('message', ({ data }) => child.onMessage(data))
    port.start?.()
    for (const message of child.waiting.splice(0)) port.postMessage(message)
  }

  main.on('message', ({ data, ports }) => {
    // Only the main process can send here.
    const message = data as FromMain
    switch (message.kind) {
      case 'begin':
        return begin(ports[0])
      case 'message':
        return hear(message.message)
      case 'started':
        return started(message.id, message.pid, ports[0])
      case 'ended': {
        const child = wanted.get(message.id)
        wanted.delete(message.id)
        if (child !== undefined) child.pid = undefined
        return child?.onEnd(message.end)
      }
    }
  })

  return {
    send(message) {
      if (answer === undefined) waiting.push(message)
      else answer(message)
    },
    onMessage(listener) {
      hear = listener
      for (const message of heard.splice(0)) listener(message)
    },
    fork(entry, options, events): Child {
      const id = next++
      const child: Wanted = { ...events, pid: undefined, port: undefined, waiting: [] }
      wanted.set(id, child)
      post({ kind: 'start', id, entry, ...options })
      return {
        get pid() {
          return child.pid
        },
        send(message) {
          if (child.port === undefined) child.waiting.push(message)
          else child.port.postMessage(message)
        },
        kill() {
          if (wanted.has(id)) post({ kind: 'kill', id })
        },
      }
    },
  }
}
