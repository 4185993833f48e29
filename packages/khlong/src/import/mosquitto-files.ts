import type { PipelineDraft } from './pipeline-draft.ts'
import { baseName, type ProjectFile } from './project-files.ts'

/** What Khlong does by itself, or differently and as well. */
const needless: Readonly<Record<string, string>> = {
  persistence: 'what is acknowledged is always kept',
  persistence_location: 'it is kept in the data folder of the pipeline',
  persistence_file: 'it is kept in the data folder of the pipeline',
  autosave_interval: 'it is kept before it is acknowledged',
  autosave_on_changes: 'it is kept before it is acknowledged',
  pid_file: 'the data folder knows its process',
  user: 'it runs as whoever starts it',
  log_dest: 'logs go where those of the pipeline go',
  log_type: 'logs go where those of the pipeline go',
  log_timestamp: 'logs go where those of the pipeline go',
  log_timestamp_format: 'logs go where those of the pipeline go',
  connection_messages: 'logs go where those of the pipeline go',
  socket_domain: 'it listens on what its address says',
}
/** Files that a setting names, by the name under which they are taken along. */
const fileKeys = /^(password_file|acl_file|cafile|certfile|keyfile|crlfile)$/

/**
 * Takes over `mosquitto.conf`. A file that only opens ports to everyone becomes the default of Khlong,
 * which is open to this machine; one that says more is kept and read, with its files beside it.
 */
export function takeMosquittoConf(draft: PipelineDraft, files: readonly ProjectFile[]): void {
  const conf = files.find((file) => /^mosquitto[\w-]*\.conf$/i.test(baseName(file)))
  if (conf === undefined) return
  const lines = conf.text.split(/\r?\n/).map((line) => {
    const [key = '', ...rest] = line.trim().split(/\s+/)
    return { line, key: key.startsWith('#') ? '' : key, value: rest.join(' ') }
  })
  const has = (key: string): boolean => lines.some((line) => line.key === key)
  for (const { key } of lines)
    if (needless[key]) draft.leftOut(`${conf.path}: ${key}`, needless[key])
  const told = lines.filter(({ key }) => key !== '' && !needless[key])
  const plain = new Set(['listener', 'port', 'protocol', 'allow_anonymous', 'bind_address'])
  const isPlain =
    told.every(({ key }) => plain.has(key) || (key === 'password_file' && isOpen(lines))) &&
    (isOpen(lines) || !has('allow_anonymous'))
  if (isPlain) {
    draft.changed(
      conf.path,
      'ports 1883 and 9001 of this machine, as Khlong has them by default; lan: true in khlong.yml opens them to the network, with logins',
    )
    return
  }
  const text = lines.map(({ line, key, value }) => {
    if (needless[key]) return `# ${line}`
    if (!fileKeys.test(key)) return line
    const name = value.split('/').at(-1)!
    const found = files.find((file) => baseName(file) === name)
    if (found) draft.files.set(`mosquitto/${name}`, found.text)
    else
      draft.leftOut(
        `${conf.path}: ${key} ${value}`,
        `put that file into mosquitto/${name} of the pipeline folder`,
      )
    return `${key} ${name}`
  })
  draft.files.set('mosquitto/mosquitto.conf', `${text.join('\n').trimEnd()}\n`)
  draft.set('mqtt', 'config_file', './mosquitto/mosquitto.conf')
  draft.set('mqtt', 'listen', false)
  draft.set('mqtt', 'websocket', false)
  draft.changed(conf.path, 'mosquitto/mosquitto.conf, without what stands below')
}

/** Whether it lets everyone in, so that a password file beside that has no effect. */
function isOpen(lines: readonly { key: string; value: string }[]): boolean {
  return lines.some(({ key, value }) => key === 'allow_anonymous' && value === 'true')
}
