/** Light or dark: as the system says, unless somebody chose. Kept in the settings (settings.svelte.ts), and here so that the next page begins in it. */
export type Theme = 'system' | 'light' | 'dark'
const KEY = 'adyton.theme'

class ThemeState {
  theme = $state<Theme>((localStorage.getItem(KEY) as Theme | null) ?? 'system')

  apply(): void {
    if (this.theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = this.theme
  }

  set(theme: Theme): void {
    this.theme = theme
    localStorage.setItem(KEY, theme)
    this.apply()
  }
}

export const theme = new ThemeState()
