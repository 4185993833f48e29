import { ConnectError } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import { folderSink } from './file/folder-sink.ts'
import { csvFolderSource, jsonFolderSource } from './file/folder-source.ts'
import { fileSink } from './file/sink.ts'
import { fileSource } from './file/source.ts'
import { aivenHttpSink, confluentHttpSink } from './http/sink-plugins.ts'
import { httpSource } from './http/source.ts'
import { webhookSource } from './http/webhook.ts'
import { jdbcSink } from './jdbc/sink.ts'
import { jdbcSource } from './jdbc/source.ts'
import { mongodbSink } from './mongodb/sink.ts'
import { mqttSink } from './mqtt/sink.ts'
import { mqttSource } from './mqtt/source.ts'
import { remoteWriteSink } from './prometheus/remote-write.ts'
import { prometheusSink } from './prometheus/sink.ts'

/** Every connector that a worker has, in the order of REST. */
export const builtInConnectors: readonly ConnectorPlugin[] = [
  mongodbSink,
  mqttSink,
  prometheusSink,
  fileSink,
  folderSink,
  jdbcSink,
  aivenHttpSink,
  confluentHttpSink,
  remoteWriteSink,
  mqttSource,
  fileSource,
  csvFolderSource,
  jsonFolderSource,
  jdbcSource,
  httpSource,
  webhookSource,
]

/** `FileStreamSinkConnector`, `FileStreamSink` and the full name mean the same. */
export function findConnector(
  plugins: readonly ConnectorPlugin[],
  name: string,
): ConnectorPlugin | undefined {
  return plugins.find(({ className, aliases = [] }) =>
    [className, ...aliases].some((one) => {
      const simple = one.slice(one.lastIndexOf('.') + 1)
      return one === name || simple === name || simple.replace(/Connector$/, '') === name
    }),
  )
}

/** @throws ConnectError `CONNECT_BAD_REQUEST` with what Java's worker says. */
export function requireConnector(
  plugins: readonly ConnectorPlugin[],
  name: string,
): ConnectorPlugin {
  const found = findConnector(plugins, name)
  if (found) return found
  const available = plugins.map(
    ({ className, version, kind }) =>
      `PluginDesc{klass=class ${className}, name='${className}', version='${version}', encodedVersion=${version}, type=${kind}, typeName='${kind}', location='classpath'}`,
  )
  throw new ConnectError(
    'CONNECT_BAD_REQUEST',
    `Failed to find any class that implements Connector and which name matches ${name}, available connectors are: ${available.join(', ')}`,
  )
}
