import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Licences that a runtime dependency may have. */
export const permissiveLicences: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'MIT-0',
]

/** Packages that are installed for users, those that others bring along too, whose licence is not permissive. */
export function unusualLicences(root: string): string[] {
  const lock = readJson(path.join(root, 'package-lock.json')) as {
    packages: Record<string, { dev?: boolean; link?: boolean; license?: string }>
  }
  return Object.entries(lock.packages)
    .filter(([folder, entry]) => folder.startsWith('node_modules/') && !entry.dev && !entry.link)
    .filter(([, { license = 'none' }]) => !permissiveLicences.includes(license))
    .map(([folder, { license = 'none' }]) => `${folder}: ${license}`)
}

/** One line of the table in `docs/dependencies.md`. */
export interface DependencyRow {
  readonly name: string
  readonly range: string
  readonly licence: string
  /** Packages of ours that use it, sorted. */
  readonly users: readonly string[]
}

/** What the package.json files say: each runtime dependency that is not ours, by name. */
export function declaredDependencies(root: string): DependencyRow[] {
  const found = new Map<string, { range: string; users: string[] }>()
  for (const file of globSync('packages/*/package.json', { cwd: root }).sort()) {
    const manifest = readJson(path.join(root, file)) as {
      dependencies?: Record<string, string>
      optionalDependencies?: Record<string, string>
    }
    const user = file.split(/[\\/]/)[1]!
    const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies }
    for (const [name, range] of Object.entries(wanted)) {
      if (name.startsWith('@khlong/')) continue
      const entry = found.get(name) ?? { range, users: [] }
      if (entry.range !== range)
        throw new Error(`${file}: ${name} is ${range} here and ${entry.range} in ${entry.users[0]}`)
      entry.users.push(user)
      found.set(name, entry)
    }
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { range, users }]) => ({
      name,
      range,
      licence: licenceOf(root, name),
      users: users.sort(),
    }))
}

/** Dependencies that no source of their package names, as `package: dependency`. */
export function unusedDependencies(root: string): string[] {
  return globSync('packages/*/package.json', { cwd: root }).flatMap((file) => {
    const folder = path.join(root, path.dirname(file))
    const { name, dependencies = {} } = readJson(path.join(root, file)) as {
      name: string
      dependencies?: Record<string, string>
    }
    const sources = globSync('src/**/*.ts', { cwd: folder })
      .map((source) => readFileSync(path.join(folder, source), 'utf8'))
      .join('\n')
    return Object.keys(dependencies)
      .filter((dependency) => !new RegExp(`'${dependency}(?:/[^']*)?'`).test(sources))
      .map((dependency) => `${name}: ${dependency}`)
  })
}

/** The rows of the table, as far as they are compared. */
export function documentedDependencies(text: string): DependencyRow[] {
  return [...text.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|/gm)].map(
    ([, name, range, licence, users]) => ({
      name: name!,
      range: range!.trim(),
      licence: licence!.trim(),
      users: users!.trim().split(', '),
    }),
  )
}

function licenceOf(root: string, name: string): string {
  const manifest = readJson(path.join(root, 'node_modules', name, 'package.json')) as {
    license?: string | { type: string }
    licenses?: { type: string }[]
  }
  const licence = manifest.license ?? manifest.licenses?.[0]
  return typeof licence === 'object' ? licence.type : (licence ?? 'none')
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
