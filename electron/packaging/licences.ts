/** The licences of everything that the app carries, as one text. */
import { readFileSync } from 'node:fs'
import { licences } from '../../core/api/licences.ts'

const LINE = '-'.repeat(100)

/** `folder`: of an app with its packages. */
export async function licencesText(folder: string): Promise<string> {
  const parts = (await licences(folder)).map(({ name, version, licence, files }) => {
    const texts = files.map((file) => readFileSync(file, 'utf8').trim())
    return [LINE, `${name} ${version}: ${licence ?? 'see below'}`, LINE, ...texts].join('\n\n')
  })
  const electron = 'Electron and Chromium: LICENSE.electron.txt and LICENSES.chromium.html beside the program.'
  return `Adyton is made of these packages. ${electron}\n\n${parts.join('\n\n\n')}\n`
}
