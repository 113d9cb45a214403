// A strict provider for the long form of the tests: node provider.js PORT REDIRECT_URI
import Provider from 'oidc-provider';

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const claimsOf = (sub) => ({
  sub, email: `${sub}@example.com`, email_verified: sub !== 'eve', name: sub, groups: sub === 'root' ? ['admins'] : [],
});
const provider = new Provider(issuer, {
  clients: [{client_id: 'credits', client_secret: 'a secret: with + and %', redirect_uris: [redirectUri]}],
  pkce: {required: () => true},
  scopes: ['openid', 'email', 'profile', 'groups'],
  claims: {openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups']},
  findAccount: (_, sub) => ({accountId: sub, claims: () => claimsOf(sub)}),
  cookies: {keys: ['a key of a test']},
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
