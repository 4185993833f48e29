import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { configProviders, resolveReferences } from '../src/config/providers.ts'
import { ConnectWorker } from '../src/index.ts'
import { MemoryKafka } from './helpers/memory-kafka.ts'

/** A reference as it stands in a connector's configuration. */
const at = (...parts: string[]): string => `\${${parts.join(':')}}`

describe('config providers', () => {
  test('values come from files, from folders of secrets, and from the environment', async (t) => {
    const folder = await temporaryFolder(t)
    await mkdir(`${folder}/secrets`)
    await writeFile(`${folder}/db.properties`, 'user=ann\npassword=p:w\n')
    await writeFile(`${folder}/secrets/token`, 'abc')
    const providers = configProviders({
      'config.providers': 'env, file,directory',
      env: { H: 'h1' },
    })
    const resolved = resolveReferences(
      {
        url: `mongodb://${at('file', `${folder}/db.properties`, 'user')}:${at('file', `${folder}/db.properties`, 'password')}@${at('env', 'H')}`,
        token: at('directory', `${folder}/secrets`, 'token'),
        other: at('vault', 'path', 'key'),
      },
      providers,
    )
    assert.deepEqual(resolved, {
      url: 'mongodb://ann:p:w@h1',
      token: 'abc',
      other: at('vault', 'path', 'key'),
    })
  })

  test('what is not there, or may not be read, is said with the option', async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(`${folder}/a.properties`, 'x=1\n')
    const providers = configProviders({
      'config.providers': 'file,directory',
      'config.providers.file.param.allowed.paths': folder,
      'config.providers.directory.param.allowed.paths': `${folder}/secrets`,
    })
    const refused = (text: string, message: RegExp): void => {
      assert.throws(() => resolveReferences({ password: text }, providers), {
        code: 'CONNECT_CONFIG',
        message,
      })
    }
    refused(at('file', `${folder}/a.properties`, 'y'), /^password: the file .* has no y, which/)
    refused(at('file', `${folder}/b.properties`, 'y'), /b\.properties cannot be read/)
    refused(at('file', '/etc/passwd', 'root'), /\/etc\/passwd is not in the allowed paths/)
    refused(at('directory', `${folder}/secrets`, '../a.properties'), /is no name of a file/)
    refused(at('directory', folder, 'a.properties'), /is not in the allowed paths/)
  })

  test('a provider that nobody knows fails the start by name', async (t) => {
    const worker = new ConnectWorker(
      { listen: 0, data: await temporaryFolder(t), 'config.providers': 'env,vault' },
      { kafka: new MemoryKafka() },
    )
    await assert.rejects(worker.start(), { message: /config\.providers: no provider vault/ })
  })
})
