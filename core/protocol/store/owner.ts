/**
 * Which process a half-built or opened package belongs to, so that the leftovers of a crash can be told from the
 * work of a process that runs. The owner is part of the folder's name: there is no moment without one.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** `<pid>-<start time>-<boot>-<machine>`; a pid alone may be used again. */
export interface Owner {
  readonly pid: number
  /** Clock ticks from boot to the start of the process; 0 where the system does not say. */
  readonly start: string
  readonly boot: string
  /** Host and process-number space (containers have their own). */
  readonly machine: string
}

const OWNER = /^([0-9]{1,10})-([0-9]{1,20})-([0-9a-f]{8})-([0-9a-f]{8})$/

export function formatOwner(owner: Owner): string {
  return `${owner.pid}-${owner.start}-${owner.boot}-${owner.machine}`
}

export function parseOwner(text: string): Owner | undefined {
  const match = OWNER.exec(text)
  if (match === null) return undefined
  return { pid: Number(match[1]), start: match[2], boot: match[3], machine: match[4] }
}

let own: Owner | undefined

/** This process. */
export function ownOwner(): Owner {
  own ??= {
    pid: process.pid,
    start: startTime(process.pid) ?? '0',
    boot: short(attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')) ?? ''),
    machine: short(`${hostname()} ${attempt(() => readlinkSync('/proc/self/ns/pid')) ?? ''}`),
  }
  return own
}

/** Whether the process still runs; undefined for one of another machine or container, which cannot be asked. */
export function isAlive(owner: Owner): boolean | undefined {
  const self = ownOwner()
  if (owner.machine !== self.machine) return undefined
  if (owner.boot !== self.boot) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // EPERM: it runs, under another user.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false
  }
  const start = startTime(owner.pid)
  return start === undefined || owner.start === '0' || start === owner.start
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the command name before it may hold spaces and parentheses. */
function startTime(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
