/** Short messages at the edge of the window, each with one thing that can be done about it, such as undo. */
import { HostError, toMessage } from './failure.ts'

export interface Toast {
  readonly id: number
  readonly kind: 'info' | 'good' | 'bad'
  readonly text: string
  readonly action: { readonly label: string; readonly run: () => void } | undefined
}

const SHOWN_MS = 8000

class Toasts {
  list = $state<readonly Toast[]>([])
  #next = 1

  show(text: string, options: { kind?: Toast['kind']; action?: Toast['action'] } = {}): void {
    const toast: Toast = { id: this.#next++, kind: options.kind ?? 'info', text, action: options.action }
    this.list = [...this.list.slice(-3), toast]
    // An error stays until it is read.
    if (toast.kind !== 'bad') setTimeout(() => this.dismiss(toast.id), SHOWN_MS)
  }

  fail(error: unknown): void {
    // The frame says so, once for everything that waited.
    if (error instanceof HostError && error.code === 'disconnected') return
    const { message, advice } = toMessage(error)
    this.show(advice === null ? message : `${message}. ${advice}`, { kind: 'bad' })
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id)
  }
}

export const toasts = new Toasts()
