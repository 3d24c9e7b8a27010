/** The pages' own protocol: they are not files, and no other page is of the same origin. */
export const APP_SCHEME = 'adyton'
export const APP_HOST = 'app'
export const APP_ORIGIN = `${APP_SCHEME}://${APP_HOST}`
export const APP_URL = `${APP_ORIGIN}/index.html`
