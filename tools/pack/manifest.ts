/** The fields of a package.json that packing reads or writes; all others go through unchanged. */
export interface Manifest {
  name: string
  version: string
  files?: readonly string[]
  bin?: Readonly<Record<string, string>>
  exports?: Readonly<Record<string, string | ExportedFiles>>
  dependencies?: Readonly<Record<string, string>>
  optionalDependencies?: Readonly<Record<string, string>>
  [field: string]: unknown
}

interface ExportedFiles {
  readonly types: string
  readonly default: string
}

/**
 * The manifest that is published: in a checkout `exports` name TypeScript in `src`, in a tarball the
 * JavaScript and the types in `dist`. `extraFiles` are folders beside `dist` that belong to it.
 */
export function publishedManifest(manifest: Manifest, extraFiles: readonly string[]): Manifest {
  const exports: Record<string, string | ExportedFiles> = {}
  for (const [name, file] of Object.entries(manifest.exports ?? {}))
    exports[name] = typeof file === 'string' ? compiled(manifest.name, file) : file
  const { devDependencies: _, ...kept } = manifest
  return {
    ...kept,
    name: manifest.name,
    version: manifest.version,
    exports,
    files: ['dist', ...extraFiles],
  }
}

function compiled(packageName: string, file: string): ExportedFiles {
  const match = /^\.\/src\/(.+)\.ts$/.exec(file)
  if (!match) throw new Error(`${packageName} exports ${file}; expected a file ./src/….ts`)
  return { types: `./dist/${match[1]}.d.ts`, default: `./dist/${match[1]}.js` }
}

/** The packages of ours that `name` needs, itself first; what is installed when it is installed alone. */
export function closure(name: string, manifests: ReadonlyMap<string, Manifest>): string[] {
  const found = new Set<string>()
  const visit = (current: string): void => {
    const manifest = manifests.get(current)
    if (!manifest || found.has(current)) return
    found.add(current)
    for (const dependency of Object.keys(manifest.dependencies ?? {})) visit(dependency)
  }
  visit(name)
  return [...found]
}
