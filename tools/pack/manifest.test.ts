import assert from 'node:assert/strict'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { bundledInConsole, consoleLicences } from './console-licences.ts'
import { closure, type Manifest, publishedManifest } from './manifest.ts'

const manifest = (name: string, dependencies: Record<string, string> = {}): Manifest => ({
  name,
  version: '1.0.0',
  dependencies,
})

test('a published package exports JavaScript with its types, and keeps all else', () => {
  const published = publishedManifest(
    {
      ...manifest('@khlong/a', { zod: '^4' }),
      license: 'Apache-2.0',
      bin: { a: './bin/a.mjs' },
      devDependencies: { vite: '^8' },
      exports: { '.': './src/index.ts', './messages/*': './src/messages/generated/*.ts' },
    },
    ['bin'],
  )
  assert.deepEqual(published, {
    name: '@khlong/a',
    version: '1.0.0',
    license: 'Apache-2.0',
    bin: { a: './bin/a.mjs' },
    dependencies: { zod: '^4' },
    exports: {
      '.': { types: './dist/index.d.ts', default: './dist/index.js' },
      './messages/*': {
        types: './dist/messages/generated/*.d.ts',
        default: './dist/messages/generated/*.js',
      },
    },
    files: ['dist', 'bin'],
  })
})

test('an export that is not TypeScript of src is refused by name', () => {
  assert.throws(
    () => publishedManifest({ ...manifest('@khlong/a'), exports: { '.': './lib/a.js' } }, []),
    /@khlong\/a exports \.\/lib\/a\.js/,
  )
})

test('the closure of a package holds each of ours once, and no others', () => {
  const manifests = new Map(
    [
      manifest('streams', { client: '1', core: '1', zod: '1' }),
      manifest('client', { core: '1' }),
      manifest('core'),
      manifest('kafka', { core: '1' }),
    ].map((entry) => [entry.name, entry]),
  )
  assert.deepEqual(closure('streams', manifests), ['streams', 'client', 'core'])
})

test('the licences of what the console holds are passed on', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  assert.ok(bundledInConsole(root).includes('react-dom'))
  assert.match(consoleLicences(root), /SIL OPEN FONT LICENSE/)
})
