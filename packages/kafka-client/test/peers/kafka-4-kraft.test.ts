import { runClientSuite } from './client-suite.ts'

runClientSuite('kraft', { producer: 'org.apache.kafka.tools.ConsoleProducer' })
