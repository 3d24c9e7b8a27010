/** What a window is told when a file cannot be written. */
import { AdytonError } from '../errors/errors.ts'
import { codeOf } from '../protocol/store/files.ts'
import { Refusal } from './refusal.ts'

/** `doing`: 'the upload could not be written'. What is no error of a disk is given back. */
export function diskRefusal(doing: string, cause: unknown): unknown {
  const code = codeOf(cause) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const advice = 'Free space on the disk of the data folder, or use a data folder on another disk.'
    return new Refusal(
      507,
      'the disk is full',
      new AdytonError('store-failed', `${doing}: the disk is full`, { advice }),
    )
  }
  if (['EACCES', 'EPERM', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'].includes(code)) {
    const advice = 'Check the permissions and the disk of the data folder.'
    return new Refusal(500, `disk error ${code}`, new AdytonError('store-failed', `${doing} (${code})`, { advice }))
  }
  return cause
}
