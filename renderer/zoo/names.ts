/** Names of files that models are written to. */

export function fileName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replaceAll(/^[-.]+|-+$/g, '') || 'model'
}

/** A path within a folder of the host's, whatever its system. */
export function inFolder(folder: string, name: string): string {
  const separator = folder.includes('\\') ? '\\' : '/'
  return folder.endsWith(separator) ? `${folder}${name}` : `${folder}${separator}${name}`
}

/** 'adyton-backup-2026-01-31-1259', by the clock on the wall. */
export function backupName(now: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
  return `adyton-backup-${day}-${two(now.getHours())}${two(now.getMinutes())}`
}
