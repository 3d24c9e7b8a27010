/** The pages that the bridge has of its own, for when the renderer cannot be shown. */

function page(title: string, ...paragraphs: string[]): string {
  const style =
    'body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:4em auto;padding:0 1em}' +
    'code{background:#8883;padding:.1em .3em;border-radius:.2em}:root{color-scheme:light dark}'
  return [
    '<!doctype html>',
    '<html lang="en">',
    `<head><meta charset="utf-8"><title>${title}</title><style>${style}</style></head>`,
    `<body><main><h1>${title}</h1>${paragraphs.map((text) => `<p>${text}</p>`).join('')}</main></body>`,
    '</html>',
    '',
  ].join('\n')
}

export const NO_ENTRY = page(
  'This browser has not been let in',
  'Adyton runs here, but only for the browser that opens the address that the program prints in its terminal.',
  'Such an address works once, within ten minutes. If yours was used or is too old, press Enter in that terminal ' +
    'for another one, or start Adyton again.',
)

export const NOT_BUILT = page(
  'The interface has not been built',
  'Adyton runs, but the files of its windows are missing.',
  'End it, run <code>npm run setup</code> in its folder, and start it again.',
)
