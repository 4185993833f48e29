import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Foreign clients and engines that the peers' tier runs against us. What npm, pip and Maven give is
// kept in `.peers/` of the repository; what Debian gives is installed on the machine.

const root = new URL('../', import.meta.url)
const inRoot = (path: string): string => fileURLToPath(new URL(path, root))

/** How a peer is found, and how a person gets it. */
interface Peer {
  readonly command: string
  readonly install: string
}

/** The file of the newest version in a folder with one folder for each; a path that is not there without one. */
function newest(folder: string, file: string): string {
  const versions = existsSync(folder) ? readdirSync(folder) : []
  const version = versions.sort((a, b) => Number(b) - Number(a))[0] ?? 'missing'
  return `${folder}/${version}/${file}`
}

const apt = (command: string, name = command): Peer => ({
  command,
  install: `apt-get install --no-install-recommends ${name}`,
})

export type PeerName =
  | 'mosquitto'
  | 'mosquitto_pub'
  | 'mosquitto_sub'
  | 'kcat'
  | 'chromium'
  | 'prometheus'
  | 'promtool'
  | 'alertmanager'
  | 'amtool'
  | 'java'
  | 'go'
  | 'mvn'
  | 'postgres'
  | 'python'
  | 'mongosh'

const peers: Record<PeerName, Peer> = {
  mosquitto: apt('mosquitto'),
  mosquitto_pub: apt('mosquitto_pub', 'mosquitto-clients'),
  mosquitto_sub: apt('mosquitto_sub', 'mosquitto-clients'),
  kcat: apt('kcat'),
  chromium: apt('chromium'),
  prometheus: apt('prometheus'),
  promtool: apt('promtool', 'prometheus'),
  alertmanager: apt('prometheus-alertmanager'),
  amtool: apt('amtool', 'prometheus-alertmanager'),
  java: apt('java', 'default-jdk-headless'),
  mvn: apt('mvn', 'maven'),
  // Debian's is older than the modules ask for.
  go: {
    command: existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : 'go',
    install: 'unpacking Go 1.26 or newer into /usr/local/go',
  },
  // Debian keeps it, and initdb beside it, out of the PATH.
  postgres: apt(newest('/usr/lib/postgresql', 'bin/postgres'), 'postgresql'),
  python: {
    command: inRoot('.peers/python/bin/python'),
    install: 'npm run test:peers -- --install',
  },
  mongosh: {
    command: inRoot('.peers/node/node_modules/.bin/mongosh'),
    install: 'npm run test:peers -- --install',
  },
}

const pythonPackages = [
  'check-jsonschema',
  'confluent-kafka',
  'kazoo',
  'kubernetes-validate',
  'paho-mqtt',
  'pymongo',
]
const nodePackages = ['mongosh']
const debianPackages = [
  'chromium',
  'default-jdk-headless',
  'fonts-thai-tlwg',
  'kcat',
  'maven',
  'mosquitto',
  'mosquitto-clients',
  'postgresql',
  'prometheus',
  'prometheus-alertmanager',
]

/**
 * The path of a peer's command.
 *
 * @throws Error that says how to install it where it is missing.
 */
export function peer(name: PeerName): string {
  const { command, install } = peers[name]
  if (command.includes('/') ? existsSync(command) : isOnPath(command)) return command
  throw new Error(
    `the peers' tier needs ${name}, which is not on this machine; get it by: ${install}`,
  )
}

/** The path of a script that starts a real engine; the scripts stand beside the repository. */
export function reference(script: 'kafka.sh' | 'mongodb.sh'): string {
  const path = inRoot(`../shared/reference/${script}`)
  if (existsSync(path)) return path
  throw new Error(`the peers' tier needs ${script} in ../shared/reference, which is not there`)
}

function isOnPath(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0
}

/** Installs every peer that is missing. Needs Debian with root for those that come from apt. */
export function installPeers(): void {
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  const missing = (Object.keys(peers) as PeerName[]).filter((name) => {
    const { command } = peers[name]
    return !(command.includes('/') ? existsSync(command) : isOnPath(command))
  })
  if (missing.some((name) => peers[name].install.startsWith('apt-get'))) {
    run('apt-get', 'update', '-q')
    const wanted = debianPackages.filter(
      (name) =>
        !(name === 'maven' && isOnPath('mvn')) &&
        !(name.startsWith('default-jdk') && isOnPath('java')),
    )
    run('apt-get', 'install', '-q', '-y', '--no-install-recommends', 'python3-venv', ...wanted)
  }
  if (missing.includes('python')) {
    run('python3', '-m', 'venv', inRoot('.peers/python'))
    run(inRoot('.peers/python/bin/pip'), 'install', '-q', ...pythonPackages)
  }
  if (missing.includes('mongosh'))
    run('npm', 'install', '--no-save', '--prefix', inRoot('.peers/node'), ...nodePackages)
  run('bash', reference('kafka.sh'), 'fetch', 'kraft')
  run('bash', reference('kafka.sh'), 'fetch', 'zookeeper')
  run('bash', reference('mongodb.sh'), 'fetch')
}
