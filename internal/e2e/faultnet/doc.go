// Package faultnet is what the tests of the client stand on.
//
// Its centre is [Network], a network of pipes with one server at its end. It lives in a bubble of
// testing/synctest, so that timeouts and delays of minutes take no time and are exact. There is a
// function for each thing that can go wrong on a network: a dial that fails, a connection that is
// cut, an answer that is refused, endless, malformed or late. The network checks the timestamp and
// recomputes the signature of every request, without the code under test.
//
// Beside it stand the helpers that more than one test file needs: credentials,
// a mock transport, a log that keeps its lines, bodies that record what is done
// with them, images.
//
// Only tests import it.
package faultnet
