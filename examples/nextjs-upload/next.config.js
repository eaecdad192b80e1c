const { readFileSync } = require('node:fs');

module.exports = { deploymentId: readFileSync('deployment-id.txt', 'utf8').trim() };
