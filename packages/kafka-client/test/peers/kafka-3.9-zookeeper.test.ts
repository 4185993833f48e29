import { runClientSuite } from './client-suite.ts'

runClientSuite('zookeeper', { producer: 'kafka.tools.ConsoleProducer' })
