import { readFileSync } from 'node:fs'

/**
 * Largest resident set of this process so far, bytes. Linux counts in the maximum that getrusage gives what the process
 * shared with the one that started it, so there it comes from /proc.
 */
export function peakMemory(): number {
  return highWater() ?? process.resourceUsage().maxRSS * 1024
}

function highWater(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return found === null ? undefined : Number(found[1]) * 1024
  } catch {
    return undefined
  }
}
