package main

import (
	"fmt"
	"log"

	"rest-sessions/internal/pseudonym"
)

const (
	logIDsKeyName = "RS_LOG_IDS_KEY"
	logIDsKeyFile = logIDsKeyName + "_FILE"
)

// pseudonyms makes what the log shows in the place of ids and addresses, nil if it shows
// them as they are.
func (c config) pseudonyms() (*pseudonym.Maker, error) {
	if c.LogIDs != "hash" {
		return nil, nil
	}
	if c.LogIDsKey == "" {
		log.Print(logIDsKeyName + " is not set: the pseudonyms in the log are of this run alone, and those of other runs and servers are different")
	}
	return pseudonym.New(c.LogIDsKey)
}

// pseudonymProblems returns what is wrong with RS_LOG_IDS and its key. It quotes nothing
// of the key.
func (c config) pseudonymProblems(environ map[string]string) (problems []string) {
	file := environ[logIDsKeyFile]
	switch {
	case c.LogIDs == "plain" && (c.LogIDsKey != "" || file != ""):
		problems = append(problems, logIDsKeyName+" is set and RS_LOG_IDS is not hash, so ids would be shown as they are; set RS_LOG_IDS=hash, or leave out the key")
	case c.LogIDsKey != "":
		if _, err := pseudonym.New(c.LogIDsKey); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", logIDsKeyName, err))
		}
	case file != "":
		if text, err := fileText(file); err == nil && text == "" { // else more is said elsewhere
			problems = append(problems, logIDsKeyFile+": the file is empty")
		}
	}
	return problems
}

// reloadPseudonyms takes the key of a file as it is now, and reports whether it did. A
// file that is wrong, or gone, changes nothing.
func reloadPseudonyms(ids *pseudonym.Maker, path string) bool {
	text, err := fileText(path)
	if err == nil {
		err = ids.SetKey(text)
	}
	if err != nil {
		log.Printf("warning: reload: the key of pseudonyms is as before: %v", err)
		return false
	}
	log.Printf("reload: the key of pseudonyms from %s", path)
	return true
}
