/**
 * Text in the person's language. Each folder keeps its own text beside its screens, as `strings({ en: {…} })`: another
 * language is another key, with the same shape. The language is chosen when the window loads.
 */
export const LANGUAGES = ['en'] as const
export type Language = (typeof LANGUAGES)[number]

function chosen(): Language {
  const wanted = globalThis.navigator?.languages ?? []
  return LANGUAGES.find((language) => wanted.some((tag) => tag === language || tag.startsWith(`${language}-`))) ?? 'en'
}

export const language: Language = chosen()

export function strings<T>(languages: Readonly<Record<'en', T>> & Partial<Record<Language, T>>): T {
  return languages[language] ?? languages.en
}
