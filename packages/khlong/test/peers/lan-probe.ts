import net from 'node:net'
import mqtt from 'mqtt'

// Run by lan.test.ts on the stranger's host: `lan-probe.ts HOST [USER PASSWORD]`. Tries every TCP
// port, then what MQTT and the console give, and prints what it found as JSON.

const [host = '', user, password] = process.argv.slice(2)

const open = user === undefined ? await openPorts() : [3_000]
const given: string[] = []
for (const port of open) given.push(...(await mqttGives(port)), ...(await consoleGives(port)))
process.stdout.write(JSON.stringify({ open, given }))

async function openPorts(): Promise<number[]> {
  const found: number[] = []
  let next = 1
  const walk = async (): Promise<void> => {
    while (next <= 65_535) {
      const port = next++
      if (await answers(port)) found.push(port)
    }
  }
  await Promise.all(Array.from({ length: 200 }, walk))
  return found.toSorted((a, b) => a - b)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Whether a client without a name, or with one that it made up, is let in. */
async function mqttGives(port: number): Promise<string[]> {
  const got: string[] = []
  if (user !== undefined) return got
  for (const scheme of ['mqtt', 'ws'])
    for (const protocolVersion of [4, 5] as const)
      for (const login of [{}, { username: 'khlong-internal', password: 'x' }]) {
        const options = { ...login, protocolVersion, reconnectPeriod: 0, connectTimeout: 3_000 }
        const client = mqtt.connect(`${scheme}://${host}:${port}`, options)
        client.on('error', () => {})
        const isIn = await new Promise((resolve) => {
          client.once('connect', () => resolve(true))
          client.once('close', () => resolve(false))
        })
        if (isIn) got.push(`${scheme} ${port}`)
        await client.endAsync(true)
      }
  return got
}

/** Which of the console's routes answer with more than a refusal. */
async function consoleGives(port: number): Promise<string[]> {
  const got: string[] = []
  const routes = '/api/user /api/org /api/org/users /api/search /api/datasources /api/annotations'
    .concat(' /-/setup /-/live /-/kafka/topics /-/kafka/records /-/mongodb/databases')
    .concat(
      ' /-/mqtt/tail /-/mqtt/system /-/access/people /-/access/audit /-/zookeeper/node /metrics',
    )
    .split(' ')
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const headers: Record<string, string> = user === undefined ? {} : { authorization }
  for (const route of routes) {
    const response = await fetch(`http://${host}:${port}${route}`, {
      headers,
      signal: AbortSignal.timeout(5_000),
    }).catch(() => undefined)
    if (response?.ok) got.push(route)
    await response?.body?.cancel()
  }
  if (user !== undefined) return got
  // Whoever comes first must not make themselves the administrator.
  const first = await fetch(`http://${host}:${port}/-/access/setup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: `http://${host}:${port}` },
    body: JSON.stringify({ name: 'stranger', password: 'correct horse' }),
    signal: AbortSignal.timeout(5_000),
  }).catch(() => undefined)
  if (first?.ok) got.push('/-/access/setup')
  return got
}
