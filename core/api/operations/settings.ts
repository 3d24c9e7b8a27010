/** settings: what a person has chosen for this installation; read, and changed in part. */
import * as v from 'valibot'
import { dataFolder } from '../data-folder.ts'
import { SettingsChangeSchema, type Settings } from '../data/settings.ts'
import type { Operation } from '../operation.ts'
import { loadSettings, saveSettings } from '../settings.ts'
import { dataEntry } from './zoo-input.ts'

const input = v.strictObject({ change: v.exactOptional(SettingsChangeSchema), ...dataEntry })

export const settings: Operation<typeof input, Settings> = {
  name: 'settings',
  summary: 'Gives the settings of this installation, after the changes that are asked for.',
  input,
  async run({ change, data }, { onNotice }) {
    const folder = dataFolder(data)
    return change === undefined ? loadSettings(folder, onNotice) : saveSettings(folder, change, onNotice)
  },
}
