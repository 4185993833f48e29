import { runSecuritySuite } from './security-suite.ts'

runSecuritySuite('zookeeper')
