/** What `npm start` runs. */
import { keepCompiled } from './compile-cache.ts'

keepCompiled()
await import('./window.ts')
