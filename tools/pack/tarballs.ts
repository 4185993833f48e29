import assert from 'node:assert/strict'
import path from 'node:path'
import { compilePackages, folderOf, stagePackage } from './build.ts'
import type { Manifest } from './manifest.ts'
import { npm, run } from './npm.ts'

/** A packed package. */
export interface Tarball {
  readonly name: string
  readonly file: string
  readonly sizeBytes: number
  readonly fileCount: number
}

/** Compiles all packages and the console into `stage`; @throws Error with what the compiler said. */
export async function compileAll(
  root: string,
  stage: string,
  manifests: ReadonlyMap<string, Manifest>,
): Promise<void> {
  run(root, process.execPath, ['packages/grafana/web/build.ts'])
  const said = await compilePackages(root, stage, manifests)
  if (said !== '') throw new Error(said)
}

/** Packs every compiled package, each into its own folder of `stage`. */
export async function packAll(
  root: string,
  stage: string,
  manifests: ReadonlyMap<string, Manifest>,
): Promise<Tarball[]> {
  const tarballs: Tarball[] = []
  for (const manifest of manifests.values()) {
    await stagePackage(root, stage, manifest)
    const folder = path.join(stage, folderOf(manifest.name))
    const [packed] = JSON.parse(npm(folder, 'pack', '--json', '--ignore-scripts')) as {
      filename: string
      size: number
      files: { path: string }[]
    }[]
    assert.ok(packed)
    const sources = packed.files.filter(
      (file) => /\.ts$/.test(file.path) && !/\.d\.ts$|^pipelines\//.test(file.path),
    )
    assert.deepEqual(sources, [], `${manifest.name} holds TypeScript that Node will not run`)
    tarballs.push({
      name: manifest.name,
      file: path.join(folder, packed.filename),
      sizeBytes: packed.size,
      fileCount: packed.files.length,
    })
  }
  return tarballs
}
