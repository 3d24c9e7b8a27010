/** Answers what windows ask of the shell: dialogs, files made in a window, notifications, links. */
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { BrowserWindow, FileFilter, Notification } from 'electron'
import * as v from 'valibot'
import { toPartyError } from '../../core/api/party/serve-commands.ts'
import { DesktopRequestSchema, type DesktopAnswer, type DesktopRequest } from '../../core/api/data/desktop.ts'
import type { TransferFolders } from '../../core/bridge/folders.ts'
import { safeName } from '../../core/bridge/names.ts'
import { Refusal } from '../../core/bridge/refusal.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import type { ElectronApi } from './electron.ts'

/** Kept until they are gone: what is collected as garbage hears no click. */
const shown = new Set<Notification>()

type Value = Extract<DesktopAnswer, { ok: true }>['value']

export async function answerDesktop(
  electron: ElectronApi,
  window: BrowserWindow,
  uploads: TransferFolders,
  message: unknown,
): Promise<DesktopAnswer> {
  try {
    const parsed = v.safeParse(DesktopRequestSchema, message, { abortEarly: true })
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw new AdytonError('usage', `not a request: ${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`)
    }
    return { ok: true, value: await answer(electron, window, uploads, parsed.output) }
  } catch (error) {
    return { ok: false, ...toPartyError(error instanceof Refusal ? (error.error ?? error) : error) }
  }
}

async function answer(
  { dialog, shell, Notification }: ElectronApi,
  window: BrowserWindow,
  uploads: TransferFolders,
  request: DesktopRequest,
): Promise<Value> {
  switch (request.what) {
    case 'chooseFiles': {
      const { filePaths } = await dialog.showOpenDialog(window, {
        title: request.title,
        properties: request.multiple ? ['openFile', 'multiSelections'] : ['openFile'],
        filters: filters(request.extensions),
      })
      return filePaths
    }
    case 'chooseFolder': {
      const { filePaths } = await dialog.showOpenDialog(window, {
        title: request.title,
        properties: ['openDirectory', 'createDirectory'],
      })
      return filePaths[0] ?? null
    }
    case 'chooseSave':
      return await chooseSave(dialog, window, request.name)
    case 'putFile': {
      const file = join(await uploads.make(), safeName(request.name))
      await write(file, request.content, 0o600)
      return file
    }
    case 'saveFile': {
      const file = await chooseSave(dialog, window, request.name)
      if (file !== null) await write(file, request.content)
      return file
    }
    case 'openExternal':
      await shell.openExternal(request.url)
      return null
    case 'notify':
      // Somebody who is looking at the window sees it there.
      if (!window.isFocused() && Notification.isSupported()) {
        const notification = new Notification({ title: request.title, body: request.body })
        const gone = (): void => void shown.delete(notification)
        notification.on('click', () => {
          gone()
          if (!window.isDestroyed()) window.show()
        })
        notification.on('close', gone)
        shown.add(notification)
        notification.show()
      }
      return null
  }
}

async function write(file: string, content: Uint8Array, mode?: number): Promise<void> {
  try {
    await writeFile(file, content, mode === undefined ? {} : { mode })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AdytonError('store-failed', `${file} cannot be written: ${why}`, {
      advice: 'Choose another folder, or make room on the disk.',
      cause,
    })
  }
}

async function chooseSave(dialog: Electron.Dialog, window: BrowserWindow, name: string): Promise<string | null> {
  const { canceled, filePath } = await dialog.showSaveDialog(window, { defaultPath: basename(safeName(name)) })
  return canceled || filePath === '' ? null : filePath
}

function filters(extensions: readonly string[]): FileFilter[] {
  if (extensions.length === 0) return []
  return [
    { name: extensions.map((extension) => `.${extension}`).join(', '), extensions: [...extensions] },
    { name: 'All files', extensions: ['*'] },
  ]
}
