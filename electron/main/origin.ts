/** The pages' own protocol: they are not files, and no other page is of the same origin. */
export const APP_SCHEME = 'adyton'
export const APP_HOST = 'app'
export const APP_URL = `${APP_SCHEME}://${APP_HOST}/index.html`

/** Whether an address is one of our pages. Node gives a scheme that it does not know no origin: its parts are compared. */
export function isOurs(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, host } = new URL(address)
  return protocol === `${APP_SCHEME}:` && host === APP_HOST
}
