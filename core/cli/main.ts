/** What `npm run adyton` runs. */
import { keepCompiled } from './compile-cache.ts'

keepCompiled()
await import('./commands.ts')
