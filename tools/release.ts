// npm run release -- DIR: what a release consists of, in a new folder: the tarball of every package,
// SHA256SUMS of them, and sbom.cdx.json, the list of all that an installation holds (CycloneDX).
// Needs the npm registry for the libraries that the packages depend on.

import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { readManifests } from './pack/build.ts'
import { installTarballs, npm } from './pack/npm.ts'
import { compileAll, packAll } from './pack/tarballs.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const [target] = process.argv.slice(2)
if (target === undefined) throw new Error('usage: npm run release -- DIR, a new or empty folder')
const out = path.resolve(target)
await mkdir(out, { recursive: true })
if ((await readdir(out)).length > 0) throw new Error(`${out} is not empty`)

const work = await mkdtemp(path.join(tmpdir(), 'khlong-release-'))
try {
  const stage = path.join(work, 'stage')
  const manifests = await readManifests(root)
  await compileAll(root, stage, manifests)
  const sums: string[] = []
  const files: string[] = []
  for (const { file } of await packAll(root, stage, manifests)) {
    const copy = path.join(out, path.basename(file))
    await copyFile(file, copy)
    files.push(copy)
    const sum = createHash('sha256')
      .update(await readFile(copy))
      .digest('hex')
    sums.push(`${sum}  ${path.basename(copy)}`)
  }
  await writeFile(path.join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`)
  const installed = path.join(work, 'installed')
  await mkdir(installed)
  await writeFile(
    path.join(installed, 'package.json'),
    '{"name":"khlong-installation","version":"0.0.0","private":true}\n',
  )
  installTarballs(installed, files)
  const sbom = npm(installed, 'sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev')
  await writeFile(path.join(out, 'sbom.cdx.json'), sbom)
  const { components } = JSON.parse(sbom) as { components: unknown[] }
  process.stdout.write(
    `release: ${files.length} packages, ${components.length} components, in ${out}\n`,
  )
} finally {
  await rm(work, { recursive: true, force: true, maxRetries: 3 })
}
