import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { consoleLicences } from './console-licences.ts'
import { type Manifest, publishedManifest } from './manifest.ts'

/** Reads the package.json of every package, by name. */
export async function readManifests(root: string): Promise<Map<string, Manifest>> {
  const manifests = new Map<string, Manifest>()
  for (const file of globSync('packages/*/package.json', { cwd: root }).sort()) {
    const manifest = JSON.parse(await readFile(path.join(root, file), 'utf8')) as Manifest
    manifests.set(manifest.name, manifest)
  }
  return manifests
}

/** The folder of a package below `packages/`. */
export const folderOf = (packageName: string): string => packageName.replace('@khlong/', '')

/**
 * Compiles the sources of all packages into `stage/PACKAGE/dist`, JavaScript and types, in one run
 * of the compiler. Gives what the compiler said; it is empty where all is well.
 */
export async function compilePackages(
  root: string,
  stage: string,
  manifests: ReadonlyMap<string, Manifest>,
): Promise<string> {
  const out = path.join(stage, '.out')
  const project = path.join(stage, 'tsconfig.json')
  await mkdir(stage, { recursive: true })
  // The compiler looks for packages and types beside the project file.
  await symlink(path.join(root, 'node_modules'), path.join(stage, 'node_modules'), 'junction')
  const packages = path.join(root, 'packages')
  await writeFile(
    project,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, rootDir: packages, outDir: out },
      include: [path.join(packages, '*/src/**/*.ts')],
      exclude: [path.join(packages, '*/src/**/*.test.ts')],
    }),
  )
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', project], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  for (const name of manifests.keys()) {
    const folder = path.join(stage, folderOf(name))
    await mkdir(folder, { recursive: true })
    const compiled = path.join(out, folderOf(name), 'src')
    if (existsSync(compiled)) await rename(compiled, path.join(folder, 'dist'))
  }
  return `${stdout}${stderr}`
}

/** Puts beside the compiled code what a package is published with. */
export async function stagePackage(root: string, stage: string, manifest: Manifest): Promise<void> {
  const source = path.join(root, 'packages', folderOf(manifest.name))
  const folder = path.join(stage, folderOf(manifest.name))
  const extraFiles: string[] = []
  if (existsSync(path.join(source, 'bin'))) {
    await cp(path.join(source, 'bin'), path.join(folder, 'bin'), { recursive: true })
    extraFiles.push('bin')
  }
  if (manifest.name === 'khlong') {
    await cp(path.join(root, 'pipelines/iot'), path.join(folder, 'pipelines/iot'), {
      recursive: true,
      filter: (file) => !['data', 'node_modules'].includes(path.basename(file)),
    })
    extraFiles.push('pipelines')
  }
  if (manifest.name === '@khlong/grafana') {
    await cp(path.join(source, 'dist/web'), path.join(folder, 'dist/web'), { recursive: true })
    await writeFile(path.join(folder, 'dist/LICENSES.txt'), consoleLicences(root))
  }
  for (const [from, name] of [
    [path.join(source, 'README.md'), 'README.md'],
    [path.join(root, 'LICENSE'), 'LICENSE'],
    [path.join(root, 'NOTICE'), 'NOTICE'],
  ] as const)
    if (existsSync(from)) await cp(from, path.join(folder, name))
  // npm always takes README and LICENSE; NOTICE has to be named.
  extraFiles.push('NOTICE')
  await writeFile(
    path.join(folder, 'package.json'),
    `${JSON.stringify(publishedManifest(manifest, extraFiles), null, 2)}\n`,
  )
}
