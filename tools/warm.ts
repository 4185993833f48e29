// Loads every part and the streams of the reference pipeline once, so that Node keeps their compiled
// code and the first start is not slower than the next ones. Run by the setup, after packages were installed.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../packages', import.meta.url))
/** Loaded when they are first used, and heavy. */
const lazily = ['mongodb', 'mqtt', 'fastify', 'commander']

const names = readdirSync(packages).map(
  (folder) =>
    (
      JSON.parse(readFileSync(path.join(packages, folder, 'package.json'), 'utf8')) as {
        name: string
      }
    ).name,
)
await Promise.all([...names, ...lazily].map((name) => import(name)))
await import('../packages/khlong/src/cli/program.ts')
await import('../pipelines/iot/streams/iot-processor.ts')
