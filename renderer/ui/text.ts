import { strings } from '../app/language.ts'

export const text = strings({
  en: {
    close: 'Close',
    cancel: 'Cancel',
    undo: 'Undo',
    dismiss: 'Dismiss',
    tryAgain: 'Try again',
    loading: 'Loading…',
    up: 'Up',
    path: 'Folder',
    openPath: 'Go',
    browse: 'Browse…',
    useFolder: 'Use this folder',
    chooseFolder: 'Choose a folder',
    noFolders: 'There are no folders in here.',
    unknown: '–',
  },
})
