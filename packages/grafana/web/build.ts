/**
 * Builds the console into `packages/grafana/dist/web` and compresses what it made, so that the
 * server has nothing to do but to send it. Does nothing where the inputs are those of the last build.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const webFolder = path.dirname(fileURLToPath(import.meta.url))
const packageFolder = path.dirname(webFolder)
const finalFolder = path.join(packageFolder, 'dist', 'web')
// Made beside and then moved: two builds at once, or a server that runs, see a whole console.
const outFolder = path.join(packageFolder, 'dist', `web-${process.pid}`)
const stampFile = path.join(finalFolder, '.inputs')
const inputFolders = [webFolder, path.join(packageFolder, 'src', 'model')]
const compressible = /\.(?:js|css|html|svg|json)$/

const hash = await hashInputs()
if ((await readFile(stampFile, 'utf8').catch(() => '')) === hash) {
  console.log('console: built already')
} else {
  const startedMs = performance.now()
  const { build } = await import('vite')
  const { default: react } = await import('@vitejs/plugin-react')
  await build({
    root: webFolder,
    configFile: false,
    logLevel: 'warn',
    plugins: [react()],
    build: {
      outDir: outFolder,
      emptyOutDir: true,
      target: 'es2023',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  })
  const sizes = await compressAll()
  await writeFile(path.join(outFolder, '.inputs'), hash)
  await moveIntoPlace()
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`console: built in ${seconds} s; first load ${sizes.first} KB of compressed script`)
}

/** The last of several builds wins; what it replaces is moved away first, for Windows renames onto nothing. */
async function moveIntoPlace(): Promise<void> {
  const oldFolder = `${outFolder}-old`
  for (let attempt = 0; ; attempt++) {
    await rename(finalFolder, oldFolder).catch(() => {})
    try {
      await rename(outFolder, finalFolder)
      break
    } catch (error) {
      if (attempt === 5) throw error
      await rm(oldFolder, { recursive: true, force: true })
    }
  }
  await rm(oldFolder, { recursive: true, force: true })
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

async function hashInputs(): Promise<string> {
  const digest = createHash('sha256')
  for (const folder of inputFolders)
    for (const file of await filesIn(folder)) {
      digest.update(`${path.relative(packageFolder, file).replaceAll('\\', '/')}\0`)
      digest.update(await readFile(file))
    }
  for (const name of [
    'vite',
    'react',
    'react-dom',
    'uplot',
    'qrcode',
    'mqtt',
    '@vitejs/plugin-react',
  ])
    digest.update(await versionOf(name))
  return digest.digest('hex')
}

async function versionOf(name: string): Promise<string> {
  let folder = packageFolder
  for (;;) {
    const file = path.join(folder, 'node_modules', name, 'package.json')
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) return `${name}@${(JSON.parse(text) as { version: string }).version}`
    const above = path.dirname(folder)
    if (above === folder) throw new Error(`${name} is not installed; run npm install first`)
    folder = above
  }
}

async function compressAll(): Promise<{ first: number }> {
  const html = await readFile(path.join(outFolder, 'index.html'), 'utf8')
  let first = 0
  for (const file of await filesIn(outFolder)) {
    if (!compressible.test(file)) continue
    const bytes = await readFile(file)
    const [brotli, zipped] = await Promise.all([
      promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
      promisify(gzip)(bytes, { level: 9 }),
    ])
    await writeFile(`${file}.br`, brotli)
    await writeFile(`${file}.gz`, zipped)
    if (file.endsWith('.js') && html.includes(path.basename(file))) first += zipped.length
  }
  return { first: Math.round(first / 1024) }
}
