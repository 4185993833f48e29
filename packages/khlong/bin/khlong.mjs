#!/usr/bin/env node
// Plain JavaScript, so that an old Node can say that it is too old. In a checkout it goes by the
// launcher, which brings the right Node; an installed package holds compiled JavaScript.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const launcher = new URL('../../../tools/launch.mjs', import.meta.url)
const source = new URL('../src/main.ts', import.meta.url)
const compiled = new URL('../dist/main.js', import.meta.url)

const [major, minor] = process.versions.node.split('.').map(Number)
if (existsSync(source) && existsSync(launcher)) {
  process.argv = [
    process.execPath,
    fileURLToPath(launcher),
    'run',
    fileURLToPath(source),
    ...process.argv.slice(2),
  ]
  await import(launcher.href)
} else if (major > 24 || (major === 24 && minor >= 12)) {
  await import(compiled.href)
} else {
  process.stderr.write(
    `khlong: needs Node 24.12 or newer, found ${process.versions.node}; get it at nodejs.org\n`,
  )
  process.exitCode = 1
}
