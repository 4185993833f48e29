// Loads each source and the streams of the reference pipeline once, so that Node keeps their compiled code and the
// first start is not slower, and no larger, than the next ones: one source that is not compiled makes its thread load
// Node's TypeScript compiler. Run by the setup, after packages were installed and before a start that finds other sources.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = path.join(root, 'packages')
/** Acts as soon as it is loaded. */
const main = path.join(packages, 'khlong', 'src', 'main.ts')
const folders = [
  ...readdirSync(packages).map((name) => path.join(packages, name, 'src')),
  path.join(root, 'pipelines', 'iot', 'streams'),
]
const sources = folders
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) =>
      path.join(folder, file),
    ),
  )
  .filter((file) => file.endsWith('.ts') && file !== main)
  .filter((file) => !/\.(d|test|fuzz)\.ts$|[\\/]testing[\\/]/.test(file))
// Entries of threads refuse to be loaded here, and are compiled by then. What is wrong in another is said by the start.
for (const file of sources) await import(pathToFileURL(file).href).catch(() => {})
// Loaded when they are first used, and heavy.
await Promise.all(['mongodb', 'mqtt', 'fastify', 'commander'].map((name) => import(name)))

spawnSync(process.execPath, [main, '--version'], { stdio: 'ignore' })
// Whatever a source holds open when it is loaded.
process.exit()
