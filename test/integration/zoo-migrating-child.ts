/** Opens a catalog of an old schema, which migrates it, and stays: `zoo-migrating-child.ts <data>`. */
import { writeSync } from 'node:fs'
import { openZoo } from '../../core/zoo/zoo.ts'

writeSync(1, 'ready\n')
await openZoo(process.argv[2])
setInterval(() => {}, 1000)
