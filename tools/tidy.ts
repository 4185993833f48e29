import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

// Rules of the repository, each with the remedy in its message.

const parts = [
  'sensors',
  'mqtt',
  'zookeeper',
  'kafka',
  'connect',
  'streams',
  'prometheus',
  'mongodb',
  'grafana',
]
const longestFileLines = 600

/** What a package may import of ours, beside its own files. */
function allowedImports(packageName: string): readonly string[] {
  switch (packageName) {
    case 'core':
      return []
    case 'kafka-protocol':
      return ['core']
    case 'kafka-client':
    case 'kafka':
      return ['core', 'kafka-protocol']
    case 'connect':
    case 'streams':
    case 'grafana':
      return ['core', 'kafka-client']
    case 'khlong':
      return ['core', 'kafka-client', ...parts]
    default:
      return ['core']
  }
}

/** Every breach found in the files that git tracks, as `file:line: what is wrong and what to do`. */
export function findTidyProblems(root: string): string[] {
  const tracked = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    },
  )
  const problems: string[] = []
  for (const file of tracked.split('\0')) {
    if (!/\.(ts|tsx|mjs)$/.test(file) || file.includes('/generated/')) continue
    const text = readFileSync(path.join(root, file), 'utf8')
    const lines = text.split('\n')
    problems.push(...importProblems(file, lines))
    if (lines.length > longestFileLines)
      problems.push(
        `${file}:1: ${lines.length} lines; look for a second noun inside and give it its own file`,
      )
  }
  problems.push(...lockFileProblems(root))
  return problems
}

function importProblems(file: string, lines: readonly string[]): string[] {
  const packageName = /^packages\/([^/]+)\/src\//.exec(file)?.[1]
  if (!packageName) return []
  const allowed = allowedImports(packageName)
  const problems: string[] = []
  lines.forEach((line, index) => {
    const imported = /(?:from|import)\s*\(?'@khlong\/([^/']+)/.exec(line)?.[1]
    if (imported === undefined || imported === packageName || allowed.includes(imported)) return
    problems.push(
      `${file}:${index + 1}: ${packageName} must not import ${imported}; parts meet only over their protocols: use the client library instead`,
    )
  })
  return problems
}

function lockFileProblems(root: string): string[] {
  return ['package-lock.json', 'tools/node/package-lock.json'].flatMap((file) =>
    /"resolved": "https?:/.test(readFileSync(path.join(root, file), 'utf8'))
      ? [
          `${file}:1: download addresses are recorded; keep omit-lockfile-registry-resolved=true in .npmrc and write it anew`,
        ]
      : [],
  )
}
